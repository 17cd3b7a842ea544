from collections.abc import Iterator

from lora_doctor.dataset.imageset import ImageSet, many, them
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="reproduced")
def check(images: ImageSet) -> Iterator[Finding]:
    """Before and after do not lie on each other.

    Why: A few pixels between the two halves of a pair are the clearest difference there is, so the LoRA learns the
    shift: every edit then moves the picture.
    Instead: Export both from one canvas, or align them.
    Sources: phase correlation of the edges, believed only where moving brings the two halves together

    ```dataset control=before flagged
    a.png: 512x512 photo
    before/a.png: 512x512 like=a.png shift=9 dark=0.8
    ```
    ```dataset control=before clean
    a.png: 512x512 photo
    before/a.png: 512x512 like=a.png dark=0.8
    ```
    """
    pairs = images.pairs
    if pairs is not None and pairs.shifted:
        worst = max(pairs.shifted, key=lambda shift: abs(shift.x) + abs(shift.y))
        yield images.finding(
            [shift.name for shift in pairs.shifted],
            f"{many(len(pairs.shifted), 'pair')} out of place (up to {abs(worst.x):.0f} x {abs(worst.y):.0f} px)",
            f"align {them(pairs.shifted)}",
        )
