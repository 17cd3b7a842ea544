from collections.abc import Iterator

from lora_doctor.captions.known import ORDINARY
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="reported")
def check(plan: Plan) -> Iterator[Finding]:
    """The trigger is a word with a meaning of its own.

    Why: a trigger such as `woman` or `ring` is what every other prompt says too: the LoRA acts without being called,
    and every woman becomes this one.
    Instead: an invented word in front of the class word ("zwx woman"); `lora-doctor trigger` proposes some.
    Sources: kohya-ss/sd-scripts#1045, https://github.com/kohya-ss/sd-scripts/issues/1045;
    kijai/ComfyUI-FluxTrainer#117, https://github.com/kijai/ComfyUI-FluxTrainer/issues/117

    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [captions]
    trigger = "woman"
    [[data]]
    folder = "data"
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [captions]
    trigger = "zwx woman"
    [[data]]
    folder = "data"
    ```
    """
    trigger = plan.trigger
    word = trigger.value.strip().lower() if isinstance(trigger.value, str) else ""
    if plan.training and trigger.written and word in ORDINARY:
        yield trigger.finding(
            f"the trigger `{trigger.value}` is what other prompts say too: the LoRA will act without being called",
            "put an invented word in front of it",
        )
