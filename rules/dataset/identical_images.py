from collections.abc import Iterator

from lora_doctor.dataset.imageset import ImageSet, many
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="documented")
def check(images: ImageSet) -> Iterator[Finding]:
    """The same picture several times.

    Why: Copies are shown as often as there are of them and are the first to be memorised, most of all with the same
    caption. They also shift the balance you planned.
    Instead: Keep one of each; use repeats where you want weight.
    Sources: Somepalli et al. 2023 (arXiv:2305.20086): images duplicated with their captions drive replication;
    Webster et al. 2023 (arXiv:2303.12733)

    ```dataset flagged
    a.png: 300x300 photo
    b.png: 300x300 like=a.png
    ```
    ```dataset clean
    a.png: 300x300 photo
    b.png: 300x300 photo
    ```
    """
    groups = [each for each in images.copies if each.how in ("identical", "pixels")]
    if groups:
        spare = sum(len(each.names) - 1 for each in groups)
        yield images.finding(
            [name for each in groups for name in each.names],
            f"{many(spare, 'file')} {'an exact copy of another' if spare == 1 else 'exact copies of others'}",
            "keep one of each",
        )
