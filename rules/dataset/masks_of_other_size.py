from collections.abc import Iterator

from lora_doctor.dataset.imageset import ImageSet, them
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(images: ImageSet) -> Iterator[Finding]:
    """Masks of another size than their images.

    Why: diffusion-pipe asserts that both have the same size while it caches and hangs when that fails; sd-scripts
    stops in the middle of the run. Where it goes through, the mask weighs the wrong place.
    Instead: Export masks at the size of their images.
    Sources: tdrussell/diffusion-pipe@8f83dbf models/base.py; kohya-ss/sd-scripts@48d368fa library/train_util.py
    (ControlNetDataset)

    ```dataset masks=masks flagged
    a.png: 128x128 photo
    masks/a.png: 64x64 half
    ```
    ```dataset masks=masks clean
    a.png: 128x128 photo
    masks/a.png: 128x128 half
    ```
    """
    masks = images.masks
    if masks is not None and masks.of_other_size:
        have = "has" if len(masks.of_other_size) == 1 else "have"
        yield images.finding(
            masks.of_other_size,
            f"{len(masks.of_other_size)} of {masks.found} masks {have} another size than the image",
            f"export {them(masks.of_other_size)} at the size of the image",
        )
