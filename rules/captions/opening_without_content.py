from collections.abc import Iterator

from lora_doctor.captions.facts import Captions, counted
from lora_doctor.captions.patterns import OPENER, first
from lora_doctor.rule import Finding, rule

FEWEST = 4  # captions


@rule(level="note", evidence="documented")
def check(captions: Captions) -> Iterator[Finding]:
    """Most captions open with words such as "the image shows".

    Why: the words stand in every caption and describe none: they take tokens from the front, where CLIP listens most,
    push the trigger back and become part of what calls the LoRA.
    Instead: cut them off; SimpleTuner ships a filter list for it.
    Sources: bghira/SimpleTuner@bc8e6ab config/caption_filter_list.txt.example and documentation/DATALOADER.md
    (`caption_filter_list`)

    ```files
    data/a.png
    data/a.txt: The image shows a ring on slate
    data/b.png
    data/b.txt: The image features a ring on sand
    data/c.png
    data/c.txt: The photo captures a ring on velvet
    data/d.png
    data/d.txt: a ring on moss
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
    data/c.txt: The image shows a zwx ring on velvet
    data/d.png
    data/d.txt: zwx ring on moss
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [[data]]
    folder = "data"
    ```
    """
    opened = tuple(entry for entry in captions.filled if OPENER.search(entry.text))
    if len(captions.filled) >= FEWEST and len(opened) >= 0.5 * len(captions.filled):
        yield captions.finding(
            f"{counted(opened, captions, 'open')} with words that describe nothing, such as "
            f"`{first(OPENER, opened[0].text)}`",
            "cut them off",
            opened,
        )
