from collections.abc import Iterator

from lora_doctor.dataset.imageset import ImageSet
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="reproduced")
def check(images: ImageSet) -> Iterator[Finding]:
    """The same lines at the same place of many images: a watermark, a logo or lettering.

    Why: What stands at one place in all images is the easiest thing to learn: it comes back in every picture, and no
    prompt takes it away. Pictures differ in what they show, so edges that keep their place are seldom part of it.
    Instead: Crop it off, paint it out, or mask it. Where it belongs to the subject (the same frame, table or screen),
    all is well. Marks at changing places or in the middle, faint ones and those on less than half of the images are
    mostly not found this way; an image alone is not judged.
    Sources: measured with rendered marks on photographs (`benchmarks/dataset_watermarks.py`);
    https://civitai.com/articles/5467 (what repeats is learned)

    ```dataset flagged
    a.png: 256x256 photo mark
    b.png: 256x256 photo mark
    c.png: 256x256 photo mark
    d.png: 256x256 photo mark
    e.png: 256x256 photo mark
    f.png: 256x256 photo mark
    g.png: 256x256 photo mark
    h.png: 256x256 photo mark
    i.png: 256x256 photo mark
    j.png: 256x256 photo mark
    k.png: 256x256 photo mark
    l.png: 256x256 photo mark
    ```
    ```dataset clean
    a.png: 256x256 photo
    b.png: 256x256 photo
    c.png: 256x256 photo
    d.png: 256x256 photo
    e.png: 256x256 photo
    f.png: 256x256 photo
    g.png: 256x256 photo
    h.png: 256x256 photo
    i.png: 256x256 photo
    j.png: 256x256 photo
    k.png: 256x256 photo
    l.png: 256x256 photo
    ```
    """
    mark = images.overlay
    if mark is not None and mark.names:
        left, top, right, bottom = mark.box
        yield images.finding(
            mark.names,
            f"{len(mark.names)} of {mark.looked_at} different pictures have the same lines {_where(mark.box)} "
            f"({(right - left) * (bottom - top):.0%} of the area)",
            "crop, paint or mask it out if it is a watermark, a logo or lettering",
        )


def _where(box: tuple[float, float, float, float]) -> str:
    across, down = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    row = "at the top" if down < 1 / 3 else "at the bottom" if down > 2 / 3 else "in the middle"
    column = " left" if across < 1 / 3 else " right" if across > 2 / 3 else ""
    return row + column
