from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="reproduced")
def check(plan: Plan) -> Iterator[Finding]:
    """What is to be kept is not named.

    Why: `keeping.output_weight` keeps what the base model says to captions with the class in the trigger's place, and
    `keeping.prior_weight` what it says to prompts of yours. Without a trigger and a class, or without prompts, there is
    nothing to keep, and training does not start.
    Instead: set `captions.trigger` and `keeping.output_class` (`person`, `dog`, `ring`), or `keeping.prior_prompts`; or
    take the weight out.
    Sources: lora_doctor/train/preflight.py (`_check_keeping`), docs/keeping.md

    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [captions]
    trigger = "zwx"
    [keeping]
    output_weight = 1.0
    ```
    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [keeping]
    prior_weight = 0.5
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [captions]
    trigger = "zwx"
    [keeping]
    output_weight = 1.0
    output_class = "dog"
    prior_weight = 0.5
    prior_prompts = ["photo of a cat"]
    ```
    """
    output, prior = plan.get("keeping.output_weight"), plan.get("keeping.prior_weight")
    if output.value and not plan.get("keeping.output_class").value:
        yield output.finding("no class takes the trigger's place: there is nothing to keep", "set `output_class`")
    elif output.value and not plan.trigger.value:
        yield output.finding("no trigger, whose place a class could take", "set `captions.trigger`")
    if prior.value and not plan.get("keeping.prior_prompts").value:
        yield prior.finding("no prompts whose pictures should stay as they are", "set `prior_prompts`")
