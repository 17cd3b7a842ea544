from collections.abc import Iterator

from lora_doctor.derived import total_steps, weight_decay_shrink
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

VISIBLE = 0.001  # share of a weight removed over the run; bf16 resolves 0.4 %


@rule(level="note", evidence="reproduced")
def check(plan: Plan) -> Iterator[Finding]:
    """A weight decay so small that it cannot be seen in the result.

    Why: decoupled decay takes learning rate x decay off a weight per step. Over 7,000 steps at 1e-4 that is 0.0007 %
    for 1e-5 and 0.007 % for 1e-4, less than the resolution of bf16 (0.4 %), so tuning it there tunes nothing.
    Instead: leave the default, or use 0.01 and more where decay is meant to act.
    Sources: arithmetic of AdamW (arXiv:1711.05101): 1 - (1 - lr x decay)^steps

    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [training]
    steps = 7000
    [optimizer]
    weight_decay = 0.00001
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [training]
    steps = 7000
    [optimizer]
    weight_decay = 0.01
    ```
    """
    shrink, steps, decay = weight_decay_shrink(plan), total_steps(plan), plan.optimizer.weight_decay
    if plan.training and shrink is not None and steps and decay.written and decay.value and shrink < VISIBLE:
        yield decay.finding(
            f"weight decay {decay.value:g} takes {shrink:.2g} of a weight ({shrink * 100:.2g} %) off in "
            f"{steps:,.0f} steps: it cannot be seen",
        )
