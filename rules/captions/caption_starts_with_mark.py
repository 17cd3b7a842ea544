from collections.abc import Iterator

from lora_doctor.captions.facts import Captions, counted, names
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(captions: Captions) -> Iterator[Finding]:
    """A caption file starts with a byte order mark.

    Why: no trainer removes the invisible mark that Windows editors put first. It stands in front of the trigger:
    three more tokens for CLIP, one for Qwen3, and the caption no longer starts with the trigger, so a trainer that
    adds it where it is missing compares the wrong text.
    Instead: save as UTF-8 without a mark; `lora-doctor dataset fix` writes a copy of the folder without any.
    Sources: kohya-ss/sd-scripts@48d368fa library/train_util.py line 1958 and ostris/ai-toolkit@27a03a91
    toolkit/dataloader_mixins.py line 351 (`utf-8`, not `utf-8-sig`); token counts with the tokenizers of CLIP-L and
    Qwen2.5

    ```files
    data/a.png
    data/a.txt: zwx ring on slate
    data/b.png
    data/b.txt @ utf-8-sig: zwx ring on sand
    ```
    ```toml sd-scripts flagged
    [[datasets]]
    resolution = 1024
    caption_extension = ".txt"
    [[datasets.subsets]]
    image_dir = "data"
    num_repeats = 10
    ```
    ```files
    data/a.png
    data/a.txt: zwx ring on slate
    data/b.png
    data/b.txt: zwx ring on sand
    ```
    ```toml sd-scripts clean
    [[datasets]]
    resolution = 1024
    caption_extension = ".txt"
    [[datasets.subsets]]
    image_dir = "data"
    num_repeats = 10
    ```
    """
    marked = tuple(entry for entry in captions.entries if entry.encoding == "utf-8-sig")
    if marked and captions.plan.trainer != "lora-doctor":
        yield captions.finding(
            f"{counted(marked, captions, 'start')} with a byte order mark, which is trained as text "
            f"({names(marked)})",
            "save as UTF-8 without it",
            marked,
        )
