from collections.abc import Iterator

from lora_doctor.derived import exposures_per_image, image_count
from lora_doctor.models.families import FAMILIES
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """Each image is shown so often that it will be memorised.

    Why: past a few hundred showings a LoRA reproduces its training images and ignores prompts. Repeats, several
    resolutions and accumulation multiply the count without showing in the steps.
    Instead: fewer steps or more images, and checkpoints early enough to go back to.
    Sources: the bands and their sources stand in `lora_doctor/models/families.py`; codcompass's 75-image ablation

    ```files
    data/a.png
    data/a.txt: zwx, a ring on slate
    data/b.png
    data/b.txt: zwx, a ring on sand
    ```
    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [training]
    steps = 7000
    [[data]]
    folder = "data"
    ```
    ```files
    data/a.png
    data/a.txt: zwx, a ring on slate
    data/b.png
    data/b.txt: zwx, a ring on sand
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [training]
    steps = 200
    [[data]]
    folder = "data"
    ```
    """
    family, seen = FAMILIES.get(plan.model.family or ""), exposures_per_image(plan)
    band = family.exposures if family else None
    setting = plan.steps if plan.steps.written else plan.epochs
    if not plan.training or band is None or seen is None or setting.place is None or plan.network.kind.value == "full":
        return
    if band.warn[1] is not None and seen > band.warn[1]:
        yield setting.finding(
            f"each of {image_count(plan)} images is shown {seen:,.0f} times: expect copies of the training images",
            f"published runs show each image {band.ok[0]:g} to {band.ok[1]:g} times",
        )
