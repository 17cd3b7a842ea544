from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """Every sample prompt contains the trigger.

    Why: whether the LoRA leaks into everything else shows only in a prompt without the trigger, drawn with the same
    seed at every checkpoint.
    Instead: add one prompt of the same class without the trigger, and one of something else.
    Sources: Alvdansen Labs, https://alvdansen.github.io/forgetting-on-purpose/ (entanglement leak, base-capability
    degradation)

    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [captions]
    trigger = "zwx"
    [validation]
    prompts = ["zwx ring on sand", "zwx ring on slate", "zwx ring on velvet"]
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [captions]
    trigger = "zwx"
    [validation]
    prompts = ["zwx ring on sand", "zwx ring on slate", "a ring on velvet"]
    ```
    """
    trigger, prompts = plan.trigger.value, plan.validation.prompts
    if not plan.training or not isinstance(trigger, str) or not trigger.strip() or not prompts.written:
        return
    texts = [text for text in prompts.value or [] if isinstance(text, str)]
    if len(texts) > 1 and all(trigger.lower() in text.lower() or "[trigger]" in text for text in texts):
        yield prompts.finding(
            f"all {len(texts)} sample prompts contain the trigger `{trigger}`: whether the LoRA leaks won't show",
            "add one without it",
        )
