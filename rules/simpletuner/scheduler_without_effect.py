from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A learning-rate schedule with an optimiser that brings its own.

    Why: the schedule-free optimisers and Prodigy (Prodigy Plus Schedule-Free here) switch `lr_scheduler` off; the rate
    stays where it is after their own warm-up.
    Instead: remove `lr_scheduler`, or take another optimiser.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/training/optimizer_param.py (`override_lr_scheduler`),
    helpers/training/trainer.py line 4258

    ```json SimpleTuner flagged
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_schedulefree",
      "learning_rate": 0.0001, "max_train_steps": 2000, "num_train_epochs": 0, "lr_scheduler": "polynomial"
    }
    ```
    ```json SimpleTuner clean
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_schedulefree",
      "learning_rate": 0.0001, "max_train_steps": 2000, "num_train_epochs": 0
    }
    ```
    """
    scheduler, name = plan.get("lr_scheduler"), str(plan.optimizer.name.value)
    flat = scheduler.value in ("constant", "constant_with_warmup")
    if plan.training and scheduler.written and not flat and name.startswith(("adamw_schedulefree", "prodigy")):
        yield scheduler.finding(
            f"`{name}` brings its own schedule: `{scheduler.value}` is not used", "remove it", scheduler.remove()
        )
