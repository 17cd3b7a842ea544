from collections.abc import Iterator

from lora_doctor.dataset.imageset import ImageSet, many
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="documented")
def check(images: ImageSet) -> Iterator[Finding]:
    """Near copies: resized, recoded, mirrored or cropped.

    Why: They count like copies: what is in many of them is learned first and comes back as it is. Crops of one
    photograph are one photograph to the model.
    Instead: Keep the best of each group, unless you mean the crops.
    Sources: Somepalli et al. 2023 (arXiv:2305.20086); the measurements behind the limit stand in
    `lora_doctor/dataset/thresholds.py`, how well it does in `benchmarks/dataset_accuracy.py`

    ```dataset flagged
    a.png: 400x400 photo
    b.jpg: 300x300 like=a.png quality=60
    c.png: 400x400 photo
    d.jpg: 320x320 crop=c.png
    ```
    ```dataset clean
    a.png: 400x400 photo
    b.png: 400x400 photo
    ```
    """
    groups = [each for each in images.copies if each.how not in ("identical", "pixels")]
    if groups:
        spare = sum(len(each.names) - 1 for each in groups)
        hows = sorted({each.how for each in groups})
        copies = "a copy of another" if spare == 1 else "copies of others"
        yield images.finding(
            [name for each in groups for name in each.names],
            f"{many(spare, 'file')} nearly {copies} ({', '.join(hows)})",
            "keep the best of each group",
        )
