from collections.abc import Iterator

from lora_doctor.dataset.imageset import ImageSet, many
from lora_doctor.dataset.thresholds import BLUR, DETAIL
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="reproduced")
def check(images: ImageSet) -> Iterator[Finding]:
    """Images with less detail than pixels.

    Why: Their finest detail would fit into a smaller picture: enlarged, heavily denoised or soft. They pass every
    check of size and teach the smoothness of enlarging.
    Instead: Find the originals, or train at the size they really have.
    Sources: the measurements behind the limit stand in `lora_doctor/dataset/thresholds.py`, how well it does in
    `benchmarks/dataset_accuracy.py`

    ```dataset resolution=640 flagged
    a.png: 640x640 photo upscaled=1.75
    b.png: 640x640 photo
    ```
    ```dataset resolution=640 clean
    a.png: 640x640 photo
    b.png: 640x640 photo
    ```
    """
    edge = images.edge
    if edge is None:
        return
    hollow = images.chosen(
        lambda image: (
            image.detail is not None
            and image.detail < DETAIL
            and image.detail * image.edge < edge
            and (image.blur_at(edge) or 0) <= BLUR
        )
    )
    if hollow:
        hollow.sort(key=lambda image: image.detail or 0)
        real = (hollow[0].detail or 0) * hollow[0].edge
        yield images.finding(
            [image.name for image in hollow],
            f"{many(len(hollow))} probably enlarged: detail for about {real:.0f} px only",
            "find the originals, or train at a lower resolution",
        )
