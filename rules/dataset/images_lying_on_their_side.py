from collections.abc import Iterator

from lora_doctor.dataset.imageset import ImageSet, many
from lora_doctor.dataset.trainers import habits
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(images: ImageSet) -> Iterator[Finding]:
    """Images that EXIF turns, and this trainer does not.

    Why: Phones store a portrait lying on its side, with a note to turn it. sd-scripts, musubi-tuner and
    diffusion-pipe ignore the note: the LoRA learns rotated pictures, in a bucket of the wrong shape.
    Instead: Bake the rotation into the pixels (`magick mogrify -auto-orient`).
    Sources: no `exif_transpose` in tdrussell/diffusion-pipe@8f83dbf, kohya-ss/sd-scripts@48d368fa and
    kohya-ss/musubi-tuner@30c658c; https://github.com/kohya-ss/sd-scripts/issues/1316,
    https://github.com/kohya-ss/musubi-tuner/issues/695

    ```dataset trainer=sd-scripts flagged
    a.jpg: 640x480 photo exif=6
    ```
    ```dataset trainer=sd-scripts clean
    a.jpg: 640x480 photo
    ```
    """
    if habits(images.plan.trainer).turns is not False:
        return
    turned = images.chosen(lambda image: image.orientation != 1)
    if turned:
        yield images.finding(
            [image.name for image in turned],
            f"{many(len(turned))} stored turned or mirrored, which {images.plan.trainer} does not see",
            "bake the rotation into the pixels",
        )
