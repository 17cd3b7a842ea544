from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

DEFAULT = 1000  # steps


@rule(level="warning", evidence="reproduced")
def check(plan: Plan) -> Iterator[Finding]:
    """The cosine falls over `lr_warmup_steps` steps, not over the run, and rises again.

    Why: the cosine takes `lr_warmup_steps` for its half period (1000 when that is 0) and has no warm-up. In a longer
    run the rate climbs back to its full height and falls again, over and over, so where the run ends decides what it
    ends with; in a shorter one it never gets down.
    Instead: set `lr_warmup_steps` to `max_train_steps` for one fall over the whole run, or use `polynomial`.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/training/custom_schedule.py lines 217-270 (run with torch
    2.14.1: half period 100, rate back at its full height after 200 steps)

    ```json SimpleTuner flagged
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "lr_scheduler": "cosine", "lr_warmup_steps": 100
    }
    ```
    ```json SimpleTuner clean
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "lr_scheduler": "cosine", "lr_warmup_steps": 2000
    }
    ```
    """
    scheduler, warmup, steps = plan.optimizer.scheduler, plan.get("lr_warmup_steps"), plan.steps.value
    if not plan.training or scheduler.value != "cosine" or not steps or plan.get("deepspeed_config").value:
        return
    half = warmup.value if isinstance(warmup.value, int) and warmup.value > 0 else DEFAULT
    origin = "`lr_warmup_steps`" if half == warmup.value else "the default without `lr_warmup_steps`"
    if half < 0.9 * steps:
        fate = f"then rises again, {steps / half / 2:.3g} swings in {steps} steps"
    elif half > 1.1 * steps:
        fate = f"and the run ends after {steps}, before it is down"
    else:
        return
    yield (warmup if warmup.written else scheduler).finding(
        f"this cosine falls over {half} steps ({origin}), {fate}",
        f"set `lr_warmup_steps` to {steps}, or use `polynomial`",
        warmup.write(steps, safe=False),
    )
