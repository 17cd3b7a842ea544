from collections.abc import Iterator

from lora_doctor.dataset.imageset import ImageSet, many, them
from lora_doctor.dataset.thresholds import TRANSPARENT
from lora_doctor.dataset.trainers import habits
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(images: ImageSet) -> Iterator[Finding]:
    """Transparent images get a white background.

    Why: diffusion-pipe and lora-doctor lay transparent images on white. That is what you want for products, and a
    white halo that is learned for anything else.
    Instead: Flatten them yourself where white is wrong.
    Sources: tdrussell/diffusion-pipe@8f83dbf models/base.py (`convert_crop_and_resize`)

    ```dataset trainer=diffusion-pipe flagged
    a.png: 300x300 photo alpha
    ```
    ```dataset trainer=diffusion-pipe clean
    a.png: 300x300 photo
    ```
    """
    if habits(images.plan.trainer).background != "white":
        return
    clear = images.chosen(lambda image: (image.transparent or 0) > TRANSPARENT)
    if clear:
        yield images.finding(
            [image.name for image in clear],
            f"{many(len(clear))} transparent and trained on white",
            f"flatten {them(clear)} yourself where another background is meant",
        )
