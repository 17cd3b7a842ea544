from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="reproduced")
def check(plan: Plan) -> Iterator[Finding]:
    """`cosine_with_restarts` leaves the learning rate where it is.

    Why: its steps per epoch stay at -1, so its place in the cycle is always 0 and the rate never moves; from the
    second epoch on each step fails with a TypeError that is logged and passed over. With `lr_warmup_steps` 0 it ends
    in a ValueError after caching and loading. SimpleTuner itself logs that it is "misbehaving".
    Instead: `polynomial` with an `lr_end` below the rate, or `constant`.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/training/custom_schedule.py lines 317-376 and 492 (run with
    torch 2.14.1: constant over 500 steps), helpers/training/trainer.py lines 5978 and 7293

    ```json SimpleTuner flagged
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "lr_scheduler": "cosine_with_restarts",
      "lr_warmup_steps": 100
    }
    ```
    ```json SimpleTuner clean
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "lr_scheduler": "constant_with_warmup",
      "lr_warmup_steps": 100
    }
    ```
    """
    scheduler, warmup = plan.optimizer.scheduler, plan.get("lr_warmup_steps")
    if plan.training and scheduler.value == "cosine_with_restarts" and not plan.get("deepspeed_config").value:
        fate = "never moves the rate" if warmup.value else "without `lr_warmup_steps` is a ValueError after caching"
        yield scheduler.finding(
            f"`cosine_with_restarts` {fate}",
            "use `polynomial` with an `lr_end` below the rate, or `constant_with_warmup`",
            scheduler.write("constant_with_warmup", safe=False),
        )
