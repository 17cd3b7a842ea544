from collections.abc import Iterator

from lora_doctor.dataset.imageset import ImageSet, many
from lora_doctor.dataset.thresholds import FAIR_JPEG, GRID, POOR_JPEG
from lora_doctor.rule import Finding, rule

LOSSLESS = ("png", "bmp", "tiff")


@rule(level="note", evidence="documented")
def check(images: ImageSet) -> Iterator[Finding]:
    """Images that JPEG has damaged.

    Why: Below a quality of about 75 the 8 x 8 squares and the ringing round edges are visible, and learned as
    texture. A PNG can carry them too, where it was made from a JPEG.
    Instead: Fetch better versions; saving again in another format does not help.
    Sources: quality is read from the quantisation tables (ITU T.81 annex K, as libjpeg scales them), the squares
    from the pixels; the measurements behind the limit stand in `lora_doctor/dataset/thresholds.py`, how well it
    does in `benchmarks/dataset_accuracy.py`

    ```dataset flagged
    a.jpg: 400x400 photo quality=30
    b.png: 400x400 photo through=30
    ```
    ```dataset clean
    a.jpg: 400x400 photo quality=95
    b.png: 400x400 photo
    ```
    """
    poor = images.chosen(lambda image: image.quality is not None and image.quality < FAIR_JPEG)
    traces = images.chosen(lambda image: image.format in LOSSLESS and image.blocks is not None and image.blocks > GRID)
    if poor or traces:
        parts = [f"JPEG quality down to {min(image.quality or 0 for image in poor)}"] if poor else []
        parts += [f"{len(traces)} saved losslessly after a JPEG"] if traces else []
        found = sorted({image.name for image in (*poor, *traces)})
        finding = images.finding(
            found, f"{many(len(found))} marked by JPEG ({', '.join(parts)})", "look for better versions"
        )
        yield finding._replace(level="warning" if any((i.quality or 100) < POOR_JPEG for i in poor) else None)
