"""How many images a LoRA needs, by what it is for.

Source: the field's notes on LoRA datasets (subject 3-5 / 5-10 / 15, style 15-20 / 25-30 / 50, domain 30-50 / 50-100 /
200, complex domain 50+ / 100-200 / 500). SceneWorks' Dataset Doctor starts at 15 for a person, 20 for a style, 10 for
an object, and stops below 4 (docs/sc-6530/dataset-doctor-metrics.md): the minima agree, the upper ends are opinion.
"""

from __future__ import annotations

from typing import NamedTuple


class Size(NamedTuple):
    """Images: fewer than `least` seldom work, `good` is recommended, more than `most` adds little."""

    purpose: str
    least: int
    good: tuple[int, int]
    most: int


SIZES = {
    size.purpose: size
    for size in (
        Size("subject", 3, (5, 10), 15),
        Size("style", 15, (25, 30), 50),
        Size("domain", 30, (50, 100), 200),
        Size("complex-domain", 50, (100, 200), 500),
    )
}
