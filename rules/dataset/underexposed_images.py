from collections.abc import Iterator

from lora_doctor.dataset.imageset import ImageSet, many, them
from lora_doctor.dataset.thresholds import DARK, DARK_MIDDLE
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="documented")
def check(images: ImageSet) -> Iterator[Finding]:
    """Images without any light in them.

    Why: Not even their brightest thousandth is near white: under-exposed, not a night scene with lamps or a subject
    on black. The LoRA learns that everything is dim.
    Instead: Brighten or leave them out.
    Sources: the measurements behind the limit stand in `lora_doctor/dataset/thresholds.py`, how well it does in
    `benchmarks/dataset_accuracy.py`

    ```dataset flagged
    a.png: 400x400 photo dark=0.15
    b.png: 400x400 photo
    ```
    ```dataset clean
    a.png: 400x400 photo
    b.png: 400x400 photo
    ```
    """
    dim = images.chosen(
        lambda image: (
            image.white is not None and image.middle is not None and image.white < DARK and image.middle < DARK_MIDDLE
        )
    )
    if dim:
        yield images.finding(
            [image.name for image in dim],
            f"{many(len(dim))} under-exposed (brightest parts at {min(image.white or 0 for image in dim):.0f} of 255)",
            f"brighten {them(dim)} or leave {them(dim)} out",
        )
