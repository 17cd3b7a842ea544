from collections.abc import Iterator

from lora_doctor.captions.facts import Captions, counted, names, quoted
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(captions: Captions) -> Iterator[Finding]:
    """Only the first line of a caption is read.

    Why: sd-scripts takes line 1 of a caption file and passes over the rest without a word, unless `enable_wildcard`
    is set, which draws one of the lines. A description with line breaks loses most of its content.
    Instead: join the lines. Set `enable_wildcard` where the lines are alternatives.
    Sources: kohya-ss/sd-scripts@48d368fa library/train_util.py line 1968 and #870,
    https://github.com/kohya-ss/sd-scripts/issues/870

    ```text file data/a.txt
    zwx ring on slate
    soft light from the left
    ```
    ```files
    data/a.png
    ```
    ```toml sd-scripts flagged
    [[datasets]]
    resolution = 1024
    caption_extension = ".txt"
    [[datasets.subsets]]
    image_dir = "data"
    num_repeats = 10
    ```
    ```text file data/a.txt
    zwx ring on slate, soft light from the left
    ```
    ```files
    data/a.png
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
    cut = tuple(entry for entry in captions.entries if entry.cut)
    if cut:
        yield captions.finding(
            f"{counted(cut, captions, 'have')} several lines, of which only the first is trained "
            f"({names(cut)}); lost: {quoted(cut[0].cut)}",
            "join the lines, or set `enable_wildcard` where they are alternatives",
            cut,
        )
