from collections.abc import Iterator

from lora_doctor.models.families import FAMILIES, is_distilled
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="reported", family=("flux1", "sdxl", "sana"))
def check(plan: Plan) -> Iterator[Finding]:
    """Training directly on a few-step model (schnell, turbo, lightning, sprint).

    Why: distillation to a few steps breaks down under ordinary training: samples turn blurry and the speed is lost.
    Instead: train on the model it was distilled from, or with an assistant adapter where the trainer has one
    (ai-toolkit's `assistant_lora_path` for schnell).
    Sources: bghira/SimpleTuner#1352, https://github.com/bghira/SimpleTuner/issues/1352; kohya-ss/sd-scripts#1822;
    the model card of OpenFLUX.1

    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "stabilityai/sdxl-turbo"
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "stabilityai/stable-diffusion-xl-base-1.0"
    ```
    """
    model = plan.model
    assisted = plan.get("model.assistant_lora_path").written or plan.get("assistant_lora_path").written
    if plan.training and is_distilled(model.variant) and not assisted and model.setting.place is not None:
        title = FAMILIES[model.family].title if model.family in FAMILIES else model.family
        yield model.setting.finding(
            f"`{model.setting.value}` is a few-step {title} ({model.variant}): training breaks its distillation",
            "train on the model it was distilled from",
        )
