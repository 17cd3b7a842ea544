from collections.abc import Iterator

from lora_doctor.captions.facts import Captions, counted, names
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(captions: Captions) -> Iterator[Finding]:
    """A caption file is empty.

    Why: sd-scripts stops at a file of zero bytes. The other trainers train the image with an empty prompt, which
    pulls what the model draws without one towards the image and says nothing about what is on it.
    Instead: write the caption, or move the image away.
    Sources: kohya-ss/sd-scripts@48d368fa library/train_util.py line 1964 (`assert len(lines) > 0`);
    ostris/ai-toolkit@27a03a91 toolkit/dataloader_mixins.py line 358; tdrussell/diffusion-pipe@8f83dbf
    utils/dataset.py line 756

    ```files
    data/a.png
    data/a.txt: zwx ring on slate
    data/b.png
    data/b.txt
    ```
    ```toml diffusion-pipe flagged
    resolutions = [1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "data"
    ```
    ```files
    data/a.png
    data/a.txt: zwx ring on slate
    data/b.png
    data/b.txt
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
    ```toml diffusion-pipe clean
    resolutions = [1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "data"
    ```
    """
    empty = tuple(entry for entry in captions.entries if not entry.text and entry.file)
    if not empty or not captions.usual:
        return
    none = [entry for entry in empty if entry.size == 0]
    stops = captions.plan.trainer in ("sd-scripts", "kohya_ss") and bool(none)
    fate = "sd-scripts stops there" if stops else "trained with an empty or default prompt"
    found = captions.finding(
        f"{counted(empty, captions, 'are')} empty and {fate}: {names(empty)}"
        if not stops
        else f"{counted(empty, captions, 'are')} empty: {fate} ({names(empty)})",
        "write it, or move the image away" if len(empty) == 1 else "write them, or move the images away",
        empty,
    )
    yield found._replace(level="error") if stops else found
