from collections.abc import Iterator

from lora_doctor.dataset.imageset import ImageSet, many
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(images: ImageSet) -> Iterator[Finding]:
    """Targets without a control image, or the other way round.

    Why: Pairs are found by the stem of their names. lora-doctor, diffusion-pipe and musubi-tuner stop at a target
    without its control image, others train it as an ordinary image; a control image without a target is not used.
    Instead: Give both the same name before the dot.
    Sources: tdrussell/diffusion-pipe@8f83dbf utils/dataset.py (masks and control images are found by stem);
    kohya-ss/musubi-tuner@30c658c dataset/datasources.py

    ```dataset control=before flagged
    a.png: 128x128 photo
    b.png: 128x128 photo
    before/a.png: 128x128 photo
    before/c.png: 128x128 photo
    ```
    ```dataset control=before trainer=lora-doctor flagged
    a.png: 128x128 photo
    b.png: 128x128 photo
    before/a_0.png: 128x128 like=a.png grain=9
    ```
    ```dataset control=before trainer=lora-doctor clean
    a.png: 128x128 photo
    before/a_0.png: 128x128 like=a.png grain=9
    before/a_1.png: 128x128 like=a.png dark=0.8
    ```
    ```dataset control=before clean
    a.png: 128x128 photo
    before/a.png: 128x128 photo
    ```
    """
    pairs = images.pairs
    if pairs is not None and (pairs.without or pairs.orphans):
        spare = many(len(pairs.orphans), "control image")
        finding = images.finding(
            (*pairs.without, *pairs.orphans),
            f"{many(len(pairs.without))} without a control image, {spare} without a target",
            "give both the same name before the dot",
        )
        stops = images.plan.trainer == "lora-doctor" and pairs.without
        yield finding._replace(level="error") if stops else finding
