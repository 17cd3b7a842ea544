from collections.abc import Iterator

from lora_doctor.dataset.imageset import ImageSet, many, them
from lora_doctor.dataset.thresholds import NOISE
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="documented")
def check(images: ImageSet) -> Iterator[Finding]:
    """Images that are mostly noise at the size they are trained at.

    Why: Noise that survives shrinking to the training size is learned as a texture; denoising models reproduce it
    readily.
    Instead: Leave them out, or denoise lightly; keep film grain where it is the style you train.
    Sources: Immerkaer 1996 (noise from the flattest parts); the measurements behind the limit stand in
    `lora_doctor/dataset/thresholds.py`, how well it does in `benchmarks/dataset_accuracy.py`

    ```dataset flagged
    a.png: 400x400 photo grain=30
    b.png: 400x400 photo
    ```
    ```dataset clean
    a.png: 400x400 photo
    b.png: 400x400 photo
    ```
    """
    if images.plan.purpose.value == "style" or images.edge is None:
        return
    edge = images.edge
    loud = images.chosen(lambda image: (image.noise or 0) * min(1.0, edge / image.edge) > NOISE)
    if loud:
        yield images.finding(
            [image.name for image in loud],
            f"{many(len(loud))} noisy (up to {max(image.noise or 0 for image in loud):.0f} of 255 levels)",
            f"leave {them(loud)} out or denoise {them(loud)} lightly",
        )
