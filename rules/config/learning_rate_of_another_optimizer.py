from collections.abc import Iterator

from lora_doctor.derived import FREE, optimizer_family
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """A learning rate for AdamW with an optimiser that finds its own, or the reverse.

    Why: Prodigy and D-Adaptation multiply their own estimate by the learning rate, so it has to be 1: at 1e-4 they
    train ten thousand times too slowly. AdamW at 1.0 destroys the weights at the first steps.
    Instead: 1.0 for Prodigy and D-Adaptation, about 1e-4 for the Adam family.
    Sources: konstmish/prodigy#27, https://github.com/konstmish/prodigy/issues/27; bghira/SimpleTuner#715 (0.5: an
    empty LoRA), https://github.com/bghira/SimpleTuner/issues/715; kohya-ss/sd-scripts@48d368fa library/train_util.py
    (warns at 0.1 and below)

    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "stabilityai/stable-diffusion-xl-base-1.0"
    [optimizer]
    name = "prodigy"
    learning_rate = 1e-4
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "stabilityai/stable-diffusion-xl-base-1.0"
    [optimizer]
    name = "prodigy"
    learning_rate = 1.0
    ```
    """
    rate, name = plan.learning_rate, plan.optimizer.name.value
    family = optimizer_family(name)
    if not plan.training or not isinstance(rate.value, (int, float)) or rate.value <= 0 or not rate.written:
        return
    if family in ("prodigy", "dadapt") and rate.value <= 0.1:
        if plan.trainer == "ai-toolkit":
            return  # there a rate below 0.1 becomes 1.0 by itself
        yield rate.finding(
            f"learning rate {rate.value:g} with {name}, which multiplies its own estimate by it: training is "
            f"{1 / rate.value:,.0f} times too slow",
            f"set `{rate.key}` to 1.0",
            rate.write(1.0, safe=False),
        )
    elif family in ("adamw", "lion", "adafactor") and rate.value >= 0.1 and family not in FREE:
        yield rate.finding(
            f"learning rate {rate.value:g} with {name}: the weights are destroyed at the first steps",
            "1.0 is for Prodigy and D-Adaptation; use about 1e-4",
            rate.write(1e-4, safe=False),
        )
