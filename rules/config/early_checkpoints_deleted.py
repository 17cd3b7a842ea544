from collections.abc import Iterator

from lora_doctor.derived import kept_window, total_steps
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

SHORT = 0.6  # of the run: the best checkpoint is often in its first half
HALF = 0.4  # what covers nearly half of the run is worth a note only
MANY = 40  # checkpoints nobody compares


@rule(level="warning", evidence="reported")
def check(plan: Plan) -> Iterator[Finding]:
    """Checkpoints are deleted before anybody can judge them.

    Why: a LoRA is often best well before the end, and the end is what a short retention leaves. ai-toolkit's own
    defaults (250 steps, 4 kept, 3000 steps) leave steps 2000 to 3000.
    Instead: keep all until they have been compared; a rank-32 LoRA is about 0.1 to 0.3 GB.
    A window that reaches back over nearly half of the run is a note.
    Sources: ostris/ai-toolkit#570 and #981, https://github.com/ostris/ai-toolkit/issues/570

    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-4B"
    [training]
    steps = 3000
    [saving]
    every_steps = 250
    keep = 4
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-4B"
    [training]
    steps = 3000
    [saving]
    every_steps = 250
    keep = 12
    ```
    """
    window, steps, saving = kept_window(plan), total_steps(plan), plan.saving
    every, keep = saving.every_steps.value, saving.keep.value
    if not plan.training or window is None or window >= SHORT or not steps or not every or not keep:
        return
    if plan.network.kind.value == "full":
        return  # full checkpoints are many gigabytes each: there, few are kept on purpose
    needed = int(steps // every)
    setting = saving.keep if saving.keep.written else saving.every_steps
    many = needed > MANY
    found = setting.finding(
        f"{keep} checkpoints, one every {every} steps, are kept of {steps:,.0f} steps: those before step "
        f"{steps * (1 - window):,.0f} are deleted",
        f"save less often, or raise `{saving.keep.key}`, until you have compared them"
        if many
        else f"set `{saving.keep.key}` to {needed} or more, until you have compared them",
        None if many else saving.keep.write(needed, safe=False),
    )
    yield found._replace(level="note") if window >= HALF else found
