from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="reproduced")
def check(plan: Plan) -> Iterator[Finding]:
    """The sine schedule without `lr_warmup_steps`.

    Why: `sine` takes its half period from `lr_warmup_steps` and raises a ValueError when that is 0, its default, after
    caching and loading. With a period it starts at half the learning rate and swings between `lr_end` and the rate for
    ever.
    Instead: `constant_with_warmup`; or set `lr_warmup_steps` to the half period you mean.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/training/custom_schedule.py lines 391 and 505 (run with torch
    2.14.1)

    ```json SimpleTuner flagged
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "lr_scheduler": "sine"
    }
    ```
    ```json SimpleTuner clean
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "lr_scheduler": "sine", "lr_warmup_steps": 500
    }
    ```
    """
    scheduler, period = plan.optimizer.scheduler, plan.get("lr_warmup_steps")
    if plan.training and scheduler.value == "sine" and period.value == 0 and not plan.get("deepspeed_config").value:
        yield scheduler.finding(
            "`sine` takes its half period from `lr_warmup_steps`, which is 0: ValueError after caching and loading",
            "set `lr_warmup_steps`, or use `constant_with_warmup`",
            scheduler.write("constant_with_warmup", safe=False),
        )
