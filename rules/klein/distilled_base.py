from collections.abc import Iterator

from lora_doctor.models.families import FAMILIES, is_distilled
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, Fix, rule


@rule(level="error", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """Training on the step-distilled Klein instead of the base model.

    Why: the distilled FLUX.2-klein-4B/9B draws an image in four steps and has lost what a LoRA needs to learn; people
    report LoRAs without effect and images of grey blocks. Shapes are equal, so nothing else notices. The LoRA of a base
    model can be used on the distilled one.
    Instead: train on `FLUX.2-klein-base-4B` or `-base-9B`.
    Sources: modelscope/DiffSynth-Studio#1313, https://github.com/modelscope/DiffSynth-Studio/issues/1313;
    diffusion-pipe docs/supported_models.md and musubi-tuner docs/flux_2.md, which both recommend the base model

    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-4B"
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-4B"
    ```
    """
    model = plan.model
    if plan.training and is_distilled(model.variant) and model.setting.place is not None:
        title, size = FAMILIES["flux2-klein"].title, model.size or ""
        base = f"FLUX.2-klein-base-{size}" if size else "the -base- model"
        yield model.setting.finding(
            f"`{model.setting.value}` is the distilled {title} {size}: a LoRA trained on it often has no effect",
            f"train on {base}; its LoRA also works on the distilled model",
            _base(plan),
        )


def _base(plan: Plan) -> Fix | None:
    """The base repository of the official ids; local files have no such twin we know of."""
    name, size = str(plan.model.setting.value), plan.model.size
    if name == f"black-forest-labs/FLUX.2-klein-{size}":
        return plan.model.setting.write(f"black-forest-labs/FLUX.2-klein-base-{size}", safe=False)
    return None
