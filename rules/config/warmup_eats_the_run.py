from collections.abc import Iterator

from lora_doctor.derived import total_steps, warmup_share
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

LARGE = 0.3  # of the run; published recipes warm up for 0 to 10 %


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Warm-up takes a third of the run or more.

    Why: the rate climbs from zero over the warm-up, so a short run never trains at the rate in its config. It mostly
    comes from a default: 500 steps in the diffusers scripts, 1000 in ai-toolkit's `constant_with_warmup`, 200 in
    OneTrainer.
    Instead: 0 to 10 % of the steps.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth (`--lr_warmup_steps` default 500, README runs 500
    steps); ostris/ai-toolkit@27a03a91 toolkit/scheduler.py; Nerogar/OneTrainer@23df3832

    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-4B"
    [training]
    steps = 600
    [schedule]
    name = "constant_with_warmup"
    warmup_steps = 500
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-4B"
    [training]
    steps = 600
    [schedule]
    name = "constant_with_warmup"
    warmup_steps = 30
    ```
    """
    share, steps, warmup = warmup_share(plan), total_steps(plan), plan.optimizer.warmup_steps
    name = str(plan.optimizer.scheduler.value or "").lower()
    ignores = name == "constant" and plan.trainer in ("diffusers", "lora-doctor")
    if not plan.training or share is None or steps is None or share < LARGE or ignores:
        return
    origin = "" if warmup.written else f" ({plan.trainer}'s default)"
    fate = "the rate is never reached" if share >= 1 else f"{share:.0%} of the run is below its rate"
    yield warmup.finding(
        f"{warmup.value:g} warm-up steps{origin} in a run of {steps:,.0f}: {fate}",
        f"set `{warmup.key}` to {int(steps * 0.05)} or less",
        warmup.write(int(steps * 0.05), safe=False) if isinstance(warmup.value, int) else None,
    )
