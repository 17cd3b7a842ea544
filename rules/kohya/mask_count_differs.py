from collections.abc import Iterator
from os.path import splitext

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Images without a mask, or masks without an image.

    Why: each image needs a mask with its name and each mask an image; an assertion counts both before training.
    Instead: add what is missing, or take the surplus out of the folder. White masks train on the whole image.
    Sources: kohya-ss/sd-scripts@48d368fa library/train_util.py lines 2453-2492 `ControlNetDataset`,
    https://github.com/kohya-ss/sd-scripts

    ```files
    data/a.png
    data/a.txt: zwx ring
    data/b.png
    data/b.txt: zwx ring
    masks/a.png
    ```
    ```toml sd-scripts flagged
    [[datasets]]
    resolution = 1024
    [[datasets.subsets]]
    image_dir = "data"
    caption_extension = ".txt"
    conditioning_data_dir = "masks"
    ```
    ```files
    data/a.png
    data/a.txt: zwx ring
    data/b.png
    data/b.txt: zwx ring
    masks/a.png
    masks/b.png
    ```
    ```toml sd-scripts clean
    [[datasets]]
    resolution = 1024
    [[datasets.subsets]]
    image_dir = "data"
    caption_extension = ".txt"
    conditioning_data_dir = "masks"
    ```
    """
    for data in plan.datasets:
        if data.listing is None or data.mask_listing is None or not data.masks.written:
            continue
        images = {splitext(name)[0] for name in data.listing.images}
        masks = {splitext(name)[0] for name in data.mask_listing.images}
        for names, what in ((images - masks, "images have no mask"), (masks - images, "masks have no image")):
            if names:
                shown = ", ".join(sorted(names)[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
                yield data.masks.finding(f"{len(names)} {what}: an assertion stops the run at start ({shown})")
                break
