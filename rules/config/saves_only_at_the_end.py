from collections.abc import Iterator

from lora_doctor.derived import total_steps
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """No checkpoint before the end of the run.

    Why: when the last weights turn out overtrained, or the machine stops, there is nothing to go back to.
    Instead: save ten to twenty times over the run.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth (`--checkpointing_steps` default 500, README runs 500
    steps); Nerogar/OneTrainer@23df3832 (`save_every_unit` default NEVER); kohya-ss/sd-scripts@48d368fa

    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-4B"
    [training]
    steps = 500
    [saving]
    every_steps = 500
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-4B"
    [training]
    steps = 500
    [saving]
    every_steps = 50
    ```
    """
    saving, steps = plan.saving, total_steps(plan)
    if not plan.training or saving.every_epochs.value or (saving.every_steps.value is None and not saving.never):
        return
    every = saving.every_steps
    if plan.config.unread(*(each.key.removeprefix(plan.config.prefix) for each in (every, saving.every_epochs))):
        return
    if saving.never:
        yield every.finding(
            "no checkpoint is saved before the end: an overtrained or interrupted run can't be rolled back",
            f"set `{every.key}`" if every.key else "set a save interval",
        )
    elif steps and every.value and every.value >= steps:
        origin = "" if every.written else f" ({plan.trainer}'s default)"
        yield every.finding(
            f"a checkpoint every {every.value} steps{origin} in a run of {steps:,.0f}: none is saved before the end",
            f"set `{every.key}` to {max(1, int(steps // 10))}",
            every.write(max(1, int(steps // 10)), safe=False),
        )
