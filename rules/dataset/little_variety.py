from collections.abc import Iterator

from lora_doctor.dataset.imageset import ImageSet
from lora_doctor.dataset.thresholds import ENOUGH, FEW_DISTINCT
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="documented")
def check(images: ImageSet) -> Iterator[Finding]:
    """Many images, little variety.

    Why: What is the same in all images is learned as part of the subject: one light, one palette, one composition.
    The figure says how many pictures without anything in common would be as varied.
    Instead: Add images that differ in the group that is named, rather than more of the same.
    Sources: Vendi score: Friedman & Dieng 2023 (arXiv:2210.02410); SceneWorks docs/sc-6541/results.md: low
    diversity collapses the appearance. Thumbnails can not see pose or identity, so this is a hint

    ```dataset flagged
    a.png: 300x300 photo
    b.png: 300x300 like=a.png grain=5
    c.png: 300x300 like=a.png grain=6
    d.png: 300x300 like=a.png grain=7
    e.png: 300x300 like=a.png grain=8
    f.png: 300x300 like=a.png grain=9
    g.png: 300x300 like=a.png grain=10
    h.png: 300x300 like=a.png grain=11
    i.png: 300x300 like=a.png grain=12
    j.png: 300x300 like=a.png grain=13
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
    variety = images.variety
    if variety is None:
        return
    groups = {"composition": variety.composition, "palette": variety.palette, "light": variety.light}
    enough = max(2.0, FEW_DISTINCT * min(variety.images, ENOUGH))
    lacking = sorted((figure, name) for name, figure in groups.items() if figure < enough)
    if lacking:
        told = ", ".join(f"{name} of {figure:.0f}" for figure, name in lacking)
        sample = f" of {len(images.images):,}" if variety.images < len(images.images) else ""
        yield images.finding(
            [],
            f"{variety.images:,}{sample} images are as varied as few: {told}",
            "add images that differ in this, or expect it in every result",
        )
