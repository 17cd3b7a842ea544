from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A polynomial schedule that ends at or above its learning rate.

    Why: the schedule demands that `learning_rate` is larger than `lr_end` and raises a ValueError otherwise, after
    caching and loading. Both are 4e-7 when nothing is written.
    Instead: raise the learning rate, or lower `lr_end`.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/training/custom_schedule.py line 138; field defaults of
    `learning_rate` and `lr_end`

    ```json SimpleTuner flagged
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "lr_scheduler": "polynomial", "lr_end": 0.001
    }
    ```
    ```json SimpleTuner clean
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "lr_scheduler": "polynomial", "lr_end": 1e-06
    }
    ```
    """
    scheduler, rate, end = plan.optimizer.scheduler, plan.learning_rate.value, plan.get("lr_end")
    if not plan.training or scheduler.value != "polynomial" or plan.get("deepspeed_config").value:
        return
    if isinstance(rate, float) and isinstance(end.value, float) and end.value >= rate:
        yield (end if end.written else scheduler).finding(
            f"a polynomial from {rate:g} down to `lr_end` {end.value:g}: ValueError after caching and loading",
            "set `lr_end` below the learning rate",
            end.write(rate / 100, safe=False),
        )
