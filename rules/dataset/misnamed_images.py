from collections.abc import Iterator

from lora_doctor.dataset.facts import SUFFIXES, suffix
from lora_doctor.dataset.imageset import ImageSet, many, them
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(images: ImageSet) -> Iterator[Finding]:
    """Images in another format than their names say.

    Why: Trainers choose files by suffix and decoders by content. A WebP called .jpg trains, but tools that trust
    the name fail at it, and a suffix a trainer does not know hides an image that it could read.
    Instead: Rename or convert them.
    Sources: suffix lists: ostris/ai-toolkit@27a03a91 toolkit/data_loader.py; content: Pillow and OpenCV look at the
    first bytes

    ```dataset flagged
    a.png: 64x64 photo as=webp
    ```
    ```dataset clean
    a.png: 64x64 photo
    ```
    """
    odd = images.chosen(lambda image: image.format in SUFFIXES and suffix(image.name) not in SUFFIXES[image.format])
    if odd:
        formats = ", ".join(sorted({image.format.upper() for image in odd}))
        yield images.finding(
            [image.name for image in odd],
            f"{many(len(odd))} {formats} under another suffix",
            f"rename or convert {them(odd)}",
        )
