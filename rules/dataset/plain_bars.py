from collections.abc import Iterator

from lora_doctor.dataset.imageset import ImageSet, many
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="documented")
def check(images: ImageSet) -> Iterator[Finding]:
    """Images with bars or frames.

    Why: Letterbox bars and frames are the easiest thing in a picture to learn: they come back in the samples. They
    also spoil the choice of the bucket.
    Instead: Crop them off.
    Sources: the measurements behind the limit stand in `lora_doctor/dataset/thresholds.py`, how well it does in
    `benchmarks/dataset_accuracy.py`

    ```dataset flagged
    a.png: 400x400 photo bars=0.1
    b.png: 400x400 photo
    ```
    ```dataset clean
    a.png: 400x400 photo
    b.png: 400x400 photo
    ```
    """
    framed = images.chosen(lambda image: any(image.bars) and not all(image.bars) and not image.transparent)
    if framed:
        widest = max(max(image.bars) for image in framed)
        yield images.finding(
            [image.name for image in framed],
            f"{many(len(framed))} letterboxed (bars up to {widest} px)",
            "crop the bars off",
        )
