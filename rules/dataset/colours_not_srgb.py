from collections.abc import Iterator

from lora_doctor.dataset.imageset import NAMED, ImageSet, many
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(images: ImageSet) -> Iterator[Finding]:
    """Colours in a space that no trainer converts.

    Why: Trainers read the numbers and ignore the profile. Display P3 and Adobe RGB come out dull, ProPhoto wrong;
    CMYK is converted without its profile, and of 16 bits some loaders keep the lower half.
    Instead: Convert to 8-bit sRGB before training.
    Sources: bghira/SimpleTuner@bc8e6ab7 simpletuner/helpers/image_manipulation/load.py (`remove_iccp_chunk`); the
    others call Pillow's `convert("RGB")`, which ignores profiles

    ```dataset flagged
    a.jpg: 300x300 photo profile=Display_P3
    b.jpg: 300x300 photo cmyk
    c.png: 300x300 photo bits=16
    ```
    ```dataset clean
    a.jpg: 300x300 photo
    ```
    """
    odd = images.chosen(lambda image: bool(image.profile) or image.mode == "CMYK" or image.bits > 8)
    if odd:
        kinds = [image.profile or ("CMYK" if image.mode == "CMYK" else f"{image.bits} bits") for image in odd]
        yield images.finding(
            [image.name for image in odd],
            f"{many(len(odd))} not 8-bit sRGB ({', '.join(dict.fromkeys(kinds[:NAMED]))}) and will be read as if",
            "convert to 8-bit sRGB",
        )
