from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

FEW_STEPS = 16  # the base model is drawn with 50 steps; below this its images are unfinished


@rule(level="warning", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """Sample images of the base model are drawn with the distilled model's settings.

    Why: Klein base needs about 50 steps at guidance 4; with the distilled model's 4 steps at guidance 1 its samples are
    blurred and say nothing about the LoRA, so good checkpoints are thrown away.
    Instead: 28 to 50 steps, guidance 4.
    Sources: kohya-ss/musubi-tuner@30c658c docs/flux_2.md (table of versions); stephen37/workshops lora_training README

    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [validation]
    prompts = ["zwx on sand"]
    sampler_steps = 4
    guidance = 1.0
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [validation]
    prompts = ["zwx on sand"]
    sampler_steps = 50
    guidance = 4.0
    ```
    """
    validation = plan.validation
    if not plan.training or plan.model.variant != "base":
        return
    steps, guidance = validation.sampler_steps, validation.guidance
    if steps.written and isinstance(steps.value, int) and steps.value < FEW_STEPS:
        yield steps.finding(
            f"{steps.value} sampler steps for the base model: its sample images stay unfinished and mislead",
            "use 28 to 50",
            steps.write(50, safe=False),
        )
    if guidance.written and isinstance(guidance.value, (int, float)) and guidance.value <= 1.0:
        yield guidance.finding(
            f"guidance {guidance.value:g} for sample images of the base model: they come out blurred",
            "use 4",
            guidance.write(4.0, safe=False),
        )
