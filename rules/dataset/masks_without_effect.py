from collections.abc import Iterator

from lora_doctor.dataset.imageset import ImageSet, them
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(images: ImageSet) -> Iterator[Finding]:
    """Masks that are all black or all white.

    Why: A black mask takes its image out of the loss: the step is spent on nothing. A white one changes nothing,
    which is seldom what it was made for.
    Instead: Redo or remove them.
    Sources: tdrussell/diffusion-pipe@8f83dbf utils/dataset.py (masks and control images are found by stem)

    ```dataset masks=masks flagged
    a.png: 128x128 photo
    b.png: 128x128 photo
    masks/a.png: 128x128 black
    masks/b.png: 128x128 half
    ```
    ```dataset masks=masks clean
    a.png: 128x128 photo
    masks/a.png: 128x128 half
    ```
    """
    masks = images.masks
    if masks is not None and (masks.empty or masks.full):
        parts = [f"{len(masks.empty)} black (the image teaches nothing)"] if masks.empty else []
        parts += [f"{len(masks.full)} white (the mask does nothing)"] if masks.full else []
        names = (*masks.empty, *masks.full)
        yield images.finding(names, f"masks without effect: {', '.join(parts)}", f"redo or remove {them(names)}")
