from collections.abc import Iterator

from lora_doctor.dataset.imageset import ImageSet, many, them
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(images: ImageSet) -> Iterator[Finding]:
    """Masks with greys in them.

    Why: Grey weighs the loss: half grey counts half in diffusion-pipe, OneTrainer and lora-doctor. That is fine for
    soft edges, and a surprise where a mask was saved as JPEG or made from a depth map.
    Instead: Make them black and white, unless the weights are meant.
    Sources: tdrussell/diffusion-pipe@8f83dbf models/base.py (the red channel is the weight)

    ```dataset masks=masks flagged
    a.png: 128x128 photo
    masks/a.png: 128x128 mid
    ```
    ```dataset masks=masks clean
    a.png: 128x128 photo
    masks/a.png: 128x128 half
    ```
    """
    masks = images.masks
    if masks is not None and masks.grey:
        yield images.finding(
            masks.grey,
            f"{many(len(masks.grey), 'mask')} partly grey, which weighs the loss",
            f"make {them(masks.grey)} black and white unless the weights are meant",
        )
