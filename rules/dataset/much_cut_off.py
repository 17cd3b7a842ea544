from collections.abc import Iterator

from lora_doctor.dataset.imageset import ImageSet, cropped, many, them
from lora_doctor.dataset.thresholds import CUT, FAR_CUT
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(images: ImageSet) -> Iterator[Finding]:
    """A large part of an image is cut off.

    Why: The bucket has another shape than the image, and what sticks out is cropped, heads and feet first. A crop
    that loses the subject is the worst thing found to happen to a likeness.
    Instead: Crop them yourself, or allow more shapes of buckets.
    Sources: SceneWorks docs/sc-6541/results.md (crops round the face doubled the learned identity); the bucket
    arithmetic is re-told in `lora_doctor/dataset/buckets.py` from the sources named there

    ```dataset trainer=diffusion-pipe resolution=512 flagged
    a.png: 900x300 photo
    ```
    ```dataset trainer=diffusion-pipe resolution=512 clean
    a.png: 512x512 photo
    ```
    """
    for fate in images.fates[-1:]:
        cut = cropped(images, fate, CUT)
        if cut:
            most = max(lost for _, lost in cut)
            finding = images.finding(
                [image.name for image, _ in cut],
                f"{many(len(cut))} cut to fit a bucket (up to {most:.0%} of the picture)",
                f"crop {them(cut)} yourself, or allow buckets of that shape",
            )
            yield finding._replace(level=None if most >= FAR_CUT else "note")
