from collections.abc import Iterator

from lora_doctor.dataset.imageset import ImageSet, many, them
from lora_doctor.dataset.thresholds import GREY
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="documented")
def check(images: ImageSet) -> Iterator[Finding]:
    """A few grey images in a colour set.

    Why: The model learns from each that the subject can be colourless, and from a caption that does not say so,
    that it is so at random. Images stored as RGB can be grey all the same.
    Instead: Leave them out, or say "black and white" in their captions.
    Sources: the measurements behind the limit stand in `lora_doctor/dataset/thresholds.py`, how well it does in
    `benchmarks/dataset_accuracy.py`

    ```dataset flagged
    a.png: 200x200 photo
    b.png: 200x200 photo
    c.png: 200x200 photo
    d.png: 200x200 photo
    e.png: 200x200 photo
    f.png: 200x200 photo
    g.png: 200x200 photo
    h.png: 200x200 photo
    i.png: 200x200 photo grey
    ```
    ```dataset clean
    a.png: 200x200 photo
    b.png: 200x200 photo
    c.png: 200x200 photo
    d.png: 200x200 photo
    e.png: 200x200 photo
    f.png: 200x200 photo
    g.png: 200x200 photo
    h.png: 200x200 photo
    i.png: 200x200 photo
    ```
    """
    grey = images.chosen(lambda image: image.chroma is not None and image.chroma < GREY)
    if grey and len(grey) <= len(images.images) // 4:
        captions = "its caption" if len(grey) == 1 else "their captions"
        yield images.finding(
            [image.name for image in grey],
            f"{many(len(grey))} without colour in a set of {len(images.images)}",
            f'leave {them(grey)} out, or say "black and white" in {captions}',
        )
