from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

COSINE = ("cosine", "cosine_with_restarts")


@rule(level="error", evidence="reproduced")
def check(plan: Plan) -> Iterator[Finding]:
    """The cosine schedules stop the run after caching and loading.

    Why: SimpleTuner's own cosine classes read `self.verbose`, which torch's scheduler base no longer sets, so they end
    in an AttributeError once images are cached and the model is loaded (SimpleTuner 4.8.0 asks for torch 2.11 or
    newer; reproduced with torch 2.13, and torch 2.14 has no such attribute either). With an older torch the rate
    swings down and up again with a half period of `lr_warmup_steps` (1000 when that is 0), and the restarts never
    come.
    Instead: `polynomial` with an `lr_end` below the rate, `constant` or `constant_with_warmup`.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/training/custom_schedule.py lines 160-345, setup.py line 68;
    torch/optim/lr_scheduler.py of torch 2.14.1 (`LRScheduler.__init__`)

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
      "max_train_steps": 2000, "num_train_epochs": 0, "lr_scheduler": "constant_with_warmup",
      "lr_warmup_steps": 100
    }
    ```
    """
    scheduler = plan.optimizer.scheduler
    if plan.training and scheduler.value in COSINE and not plan.get("deepspeed_config").value:
        yield scheduler.finding(
            f"`{scheduler.value}` ends in an AttributeError (`verbose`) after caching and loading, with every torch "
            f"that SimpleTuner {plan.config.table.version} allows",
            "use `constant_with_warmup`, or `polynomial` with an `lr_end` below the rate",
            scheduler.write("constant_with_warmup", safe=False),
        )
