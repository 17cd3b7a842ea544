from collections.abc import Iterator

from lora_doctor.dataset.imageset import ImageSet, many
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="documented")
def check(images: ImageSet) -> Iterator[Finding]:
    """Images unlike all the others.

    Why: A picture that differs from the set in several ways at once is often there by mistake: a screenshot, a
    diagram, another subject.
    Instead: Look at them; keep what belongs.
    Sources: robust z-scores of brightness, colour, sharpness, grain, size and shape: nothing here knows what is in
    a picture

    ```dataset flagged
    a.png: 300x300 photo
    b.png: 300x300 photo
    c.png: 300x300 photo
    d.png: 300x300 photo
    e.png: 300x300 photo
    f.png: 300x300 photo
    g.png: 300x300 photo
    h.png: 300x300 photo
    i.png: 300x300 photo
    j.png: 300x300 photo
    k.png: 900x120 black
    ```
    ```dataset clean
    a.png: 300x300 photo
    b.png: 300x300 photo
    c.png: 300x300 photo
    d.png: 300x300 photo
    e.png: 300x300 photo
    f.png: 300x300 photo
    g.png: 300x300 photo
    h.png: 300x300 photo
    i.png: 300x300 photo
    j.png: 300x300 photo
    ```
    """
    if images.atypical:
        what = images.atypical[0].what
        yield images.finding(
            [each.name for each in images.atypical],
            f"{many(len(images.atypical))} unlike the others (the first by {what})",
            f"look whether {'it belongs' if len(images.atypical) == 1 else 'they belong'}",
        )
