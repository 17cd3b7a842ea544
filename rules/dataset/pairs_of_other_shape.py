from collections.abc import Iterator

from lora_doctor.dataset.imageset import ImageSet
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(images: ImageSet) -> Iterator[Finding]:
    """Control images of another shape than their targets.

    Why: Both are scaled and cropped on their own: what was at one place before the edit is at another after it, and
    the LoRA learns to move and stretch. On SDXL, where the control image lies under the noise, nothing else can come
    of it.
    Instead: Crop both alike, best at the same size.
    Sources: tdrussell/diffusion-pipe@8f83dbf models/base.py (each file is fitted to the bucket by itself)

    ```dataset control=before flagged
    a.png: 128x128 photo
    before/a.png: 128x96 like=a.png
    ```
    ```dataset control=before trainer=lora-doctor model=sdxl flagged
    a.png: 128x128 photo
    before/a.png: 128x96 like=a.png
    ```
    ```dataset control=before clean
    a.png: 128x128 photo
    before/a.png: 128x128 like=a.png grain=9
    ```
    """
    pairs = images.pairs
    if pairs is not None and pairs.of_other_shape:
        finding = images.finding(
            pairs.of_other_shape,
            f"{len(pairs.of_other_shape)} of {pairs.matched} pairs have two shapes: each half is cropped differently",
            "crop both alike",
        )
        under = images.plan.trainer == "lora-doctor" and images.plan.model.family == "sdxl"
        yield finding._replace(level="error") if under else finding
