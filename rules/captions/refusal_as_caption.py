from collections.abc import Iterator

from lora_doctor.captions.facts import Captions, counted, names, quoted
from lora_doctor.captions.patterns import CHATTER, REFUSAL
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="reported")
def check(captions: Captions) -> Iterator[Finding]:
    """A caption is the refusal or the chatter of a captioning model.

    Why: what a vision model answers instead of a caption ('I'm sorry, but I can't help with that', 'Here is a
    caption:') lands in the file like any other text and is trained as the image's description.
    Instead: caption these images again, with another model or by hand.
    Sources: atomantic/PortOS#1233, https://github.com/atomantic/PortOS/pull/1233; bghira/SimpleTuner@bc8e6ab
    config/caption_filter_list.txt.example

    ```files
    data/a.png
    data/a.txt: zwx ring on slate
    data/b.png
    data/b.txt: I'm sorry, but I can't help with identifying people.
    ```
    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [[data]]
    folder = "data"
    ```
    ```files
    data/a.png
    data/a.txt: zwx ring on slate
    data/b.png
    data/b.txt: zwx ring on sand
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [[data]]
    folder = "data"
    ```
    """
    answers = tuple(e for e in captions.filled if any(REFUSAL.search(text) or CHATTER.search(text) for text in e.every))
    if answers:
        yield captions.finding(
            f"{counted(answers, captions, 'are')} a captioning model's answer and no description "
            f"({names(answers)}): {quoted(answers[0].text)}",
            "caption them again",
            answers,
        )
