from collections.abc import Iterator

from lora_doctor.dataset.imageset import ImageSet, many, them
from lora_doctor.dataset.thresholds import CLIPPED, FAR_CLIPPED
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="documented")
def check(images: ImageSet) -> Iterator[Finding]:
    """Images with burnt-out areas.

    Why: Where a channel is at its limit there is no detail to learn, and pale flat areas are learned instead. A
    white background round the subject, the paper of a drawing and flat colour do not count.
    Instead: Use another exposure or leave them out.
    Sources: the measurements behind the limit stand in `lora_doctor/dataset/thresholds.py`, how well it does in
    `benchmarks/dataset_accuracy.py`

    ```dataset flagged
    a.png: 400x400 photo bright=4
    b.png: 400x400 photo
    ```
    ```dataset clean
    a.png: 400x400 photo
    b.png: 400x400 product
    ```
    """
    burnt = images.chosen(lambda image: (image.clipped or 0) > CLIPPED and not image.transparent)
    if burnt:
        worst = max(image.clipped or 0 for image in burnt)
        finding = images.finding(
            [image.name for image in burnt],
            f"{many(len(burnt))} burnt out (up to {worst:.0%} of the pixels)",
            f"use another exposure or leave {them(burnt)} out",
        )
        yield finding._replace(level=None if worst > FAR_CLIPPED else "note")
