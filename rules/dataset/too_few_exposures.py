from collections.abc import Iterator

from lora_doctor.derived import exposures_per_image, image_count
from lora_doctor.models.families import FAMILIES
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """Each image is shown too rarely for anything to be learned.

    Why: what counts is how often an image is seen, steps x batch x accumulation / images. Ten times and less leaves a
    LoRA faint, whatever the step count looks like.
    Instead: more steps or epochs. The bands differ per model; style LoRAs need fewer than likeness.
    Sources: the bands and their sources stand in `lora_doctor/models/families.py` (RunComfy's Klein guide: 50 to 90 per
    image, 90 to 120 for strong likeness)

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
    steps = 10
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
    steps = 150
    [[data]]
    folder = "data"
    ```
    """
    family, seen = FAMILIES.get(plan.model.family or ""), exposures_per_image(plan)
    band = family.exposures if family else None
    setting = plan.steps if plan.steps.written else plan.epochs
    if not plan.training or band is None or seen is None or setting.place is None or plan.network.kind.value == "full":
        return
    if band.warn[0] is not None and seen < band.warn[0]:
        yield setting.finding(
            f"each of {image_count(plan)} images is shown {seen:.1f} times: too few to learn from",
            f"published runs show each image {band.ok[0]:g} to {band.ok[1]:g} times",
        )
