from collections.abc import Iterator

from lora_doctor.dataset.imageset import ImageSet, many
from lora_doctor.dataset.thresholds import CONTRAST, DARK, PAPER
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="documented")
def check(images: ImageSet) -> Iterator[Finding]:
    """Images that look as if seen through fog.

    Why: Neither black nor white occurs in them: faded scans, haze, a logarithmic camera profile. The LoRA learns
    the fade.
    Instead: Set black and white points, unless the fade is the style. Pale things on white paper don't count.
    Sources: the measurements behind the limit stand in `lora_doctor/dataset/thresholds.py`, how well it does in
    `benchmarks/dataset_accuracy.py`

    ```dataset flagged
    a.png: 400x400 photo contrast=0.2
    b.png: 400x400 photo
    ```
    ```dataset clean
    a.png: 400x400 photo
    b.png: 400x400 photo
    ```
    """
    if images.plan.purpose.value == "style":
        return
    flat = images.chosen(
        lambda image: (
            0 < (image.contrast or 0) < CONTRAST and (image.white or 0) >= DARK and (image.middle or 0) < PAPER
        )
    )
    if flat:
        least = min(image.contrast or 0 for image in flat)
        yield images.finding(
            [image.name for image in flat],
            f"{many(len(flat))} flat (from {least:.0f} of 255 levels)",
            "set black and white points",
        )
