from collections.abc import Iterator

from lora_doctor.dataset.imageset import ImageSet, many
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(images: ImageSet) -> Iterator[Finding]:
    """Images without a mask, or masks without an image.

    Why: Masks are found by the stem of their names. An image without one is trained whole by diffusion-pipe,
    background and all, and stops sd-scripts; a mask without an image is not used.
    Instead: Give every image its mask, with the same name before the dot.
    Sources: tdrussell/diffusion-pipe@8f83dbf utils/dataset.py (masks and control images are found by stem);
    kohya-ss/sd-scripts@48d368fa library/train_util.py (ControlNetDataset)

    ```dataset masks=masks flagged
    a.png: 128x128 photo
    b.png: 128x128 photo
    masks/a.png: 128x128 half
    masks/c.png: 128x128 half
    ```
    ```dataset masks=masks clean
    a.png: 128x128 photo
    masks/a.png: 128x128 half
    ```
    """
    masks = images.masks
    if masks is not None and masks.found and (masks.without or masks.orphans):
        yield images.finding(
            (*masks.without, *masks.orphans),
            f"{many(len(masks.without))} without a mask and {many(len(masks.orphans), 'mask')} without an image",
            "give every image a mask of the same name",
        )
