from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="reported")
def check(plan: Plan) -> Iterator[Finding]:
    """No sample prompt contains the trigger.

    Why: without the trigger the sample images show what the model draws anyway, so a working LoRA looks dead
    ("samples show strangers").
    Instead: put the trigger into most prompts and keep one or two without it as a control.
    Sources: cocktailpeanut/fluxgym#327, https://github.com/cocktailpeanut/fluxgym/issues/327; ostris/ai-toolkit
    ui/src (the ten default prompts have none)

    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [captions]
    trigger = "zwx"
    [validation]
    prompts = ["a ring on sand", "a ring on slate"]
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [captions]
    trigger = "zwx"
    [validation]
    prompts = ["zwx ring on sand", "a ring on slate"]
    ```
    """
    trigger, prompts = plan.trigger.value, plan.validation.prompts
    if not plan.training or not isinstance(trigger, str) or not trigger.strip() or not prompts.written:
        return
    texts = [text for text in prompts.value or [] if isinstance(text, str) and text.strip()]
    if texts and not any(trigger.lower() in text.lower() or "[trigger]" in text for text in texts):
        yield prompts.finding(
            f"none of {len(texts)} sample prompts contains the trigger `{trigger}`: the samples will not show the LoRA",
            "put it into most of them",
        )
