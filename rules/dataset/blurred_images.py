from collections.abc import Iterator

from lora_doctor.dataset.imageset import ImageSet, many
from lora_doctor.dataset.thresholds import BLUR
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="reproduced")
def check(images: ImageSet) -> Iterator[Finding]:
    """Images that are soft at the size they are trained at.

    Why: Nothing in them is sharp, not even the sharpest edge: out of focus, shaken or enlarged. The LoRA learns
    softness as part of the subject. Shallow focus and plain backgrounds do not count: the sharpest part is judged.
    Instead: Leave them out where you have others. One study found little harm to likeness, so this is no error.
    Sources: Elder & Zucker 1998 and Zhuo & Sim 2011 (blur from re-blurring); SceneWorks docs/sc-6541/results.md
    (effect on a LoRA); the measurements behind the limit stand in `lora_doctor/dataset/thresholds.py`, how well it
    does in `benchmarks/dataset_accuracy.py`

    ```dataset resolution=512 flagged
    a.png: 512x512 photo blur=3
    b.png: 512x512 photo
    ```
    ```dataset resolution=512 clean
    a.png: 512x512 photo
    b.png: 512x512 photo
    ```
    """
    edge = images.edge
    if edge is None:
        return
    soft = images.chosen(lambda image: (image.blur_at(edge) or 0) > BLUR)
    if soft:
        soft.sort(key=lambda image: -(image.blur_at(edge) or 0))
        worst = soft[0].blur_at(edge) or 0
        width = "over 7" if worst >= 7 else f"up to {worst:.1f}"
        yield images.finding(
            [image.name for image in soft],
            f"{many(len(soft))} blurred at {edge} px (edges {width} px wide)",
            "leave out what is meant to be sharp",
        )
