from collections.abc import Iterator

from lora_doctor.captions.facts import Captions
from lora_doctor.captions.triggers import position
from lora_doctor.rule import Finding, rule

CASED = ("flux2-klein", "flux2-dev", "flux1", "sd3")
FEWEST = 6  # captions


@rule(level="note", evidence="source")
def check(captions: Captions) -> Iterator[Finding]:
    """The trigger stands first in some captions, and inside others.

    Why: Qwen3 and T5 split a word differently at the start of a text and behind a blank: an invented trigger is two
    different sequences of tokens, of which each image trains only one.
    Instead: always first, or always behind the same words, and the same in prompts.
    Sources: tokenizers of Qwen2.5 and T5 v1.1 compared (`sks`: `s`+`ks` at the start, ` sk`+`s` inside)

    ```files
    data/a.png
    data/a.txt: zwx ring on slate
    data/b.png
    data/b.txt: zwx ring on sand
    data/c.png
    data/c.txt: a zwx ring on moss
    data/d.png
    data/d.txt: a photo of zwx ring on velvet
    data/e.png
    data/e.txt: zwx ring on oak
    data/f.png
    data/f.txt: a zwx ring on felt
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
    data/c.png
    data/c.txt: zwx ring on moss
    data/d.png
    data/d.txt: zwx ring on velvet
    data/e.png
    data/e.txt: zwx ring on oak
    data/f.png
    data/f.txt: zwx ring on felt
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [[data]]
    folder = "data"
    ```
    """
    trigger = captions.trigger
    if trigger is None or captions.plan.model.family not in CASED or len(captions.filled) < FEWEST:
        return
    stands = [(entry, position(entry.text, trigger.word)) for entry in captions.filled]
    places = {kind: [entry for entry, place in stands if place == kind] for kind in ("first", "inside")}
    fewer = min(places.values(), key=len)
    if len(fewer) >= 2 and len(fewer) >= 0.15 * len(captions.filled):
        yield captions.finding(
            f"the trigger `{trigger.word}` stands first in {len(places['first'])} captions and inside "
            f"{len(places['inside'])}: this model splits it into other tokens there",
            "keep it in one place",
            tuple(fewer),
        )
