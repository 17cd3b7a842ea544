from collections.abc import Iterator

from lora_doctor.derived import exposures_per_image
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

CLAIM = 7000


@rule(level="note", evidence="contested")
def check(plan: Plan) -> Iterator[Finding]:
    """More than 7,000 steps on Klein, where one often-quoted author saw anatomy distort.

    Why: for it: in 50+ runs of film-texture styles 3,000 steps were too raw and anatomy distorted past 7,000. Against
    it: the same author released a 3,000-step version too; others stop at 500 to 1,200 (BFL's workshop), 1,000, 2,000 or
    3,500. A step count without batch, rate and number of images means little: count exposures per image.
    Instead: save often, and compare checkpoints from the first third on.
    Sources: the 50+ runs as retold at https://happyin.space; against: stephen37/workshops lora_training; civitai's
    trainer defaults (2,000 steps); RunComfy's Klein guide (50 to 120 exposures per image)

    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [training]
    steps = 9000
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [training]
    steps = 3000
    ```
    """
    steps = plan.steps
    if not plan.training or not steps.written or not isinstance(steps.value, int) or steps.value <= CLAIM:
        return
    if plan.network.kind.value == "full":
        return
    seen = exposures_per_image(plan)
    images = f" ({seen:,.0f} showings per image)" if seen else ""
    finding = steps.finding(
        f"{steps.value:,} steps{images}: past {CLAIM:,}, one series of 50 runs saw anatomy distort",
        "keep the earlier checkpoints and compare them",
    )
    yield finding._replace(level="warning") if plan.recipe.value == "klein-fifty-runs" else finding
