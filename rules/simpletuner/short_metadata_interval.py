from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A metadata update interval below 60 seconds.

    Why: SimpleTuner refuses `metadata_update_interval` below 60 with a ValueError at start.
    Instead: 60 or more; the default is 3600.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/configuration/cmd_args.py line 1072

    ```json SimpleTuner flagged
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "metadata_update_interval": 30
    }
    ```
    ```json SimpleTuner clean
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "metadata_update_interval": 65
    }
    ```
    """
    interval = plan.get("metadata_update_interval")
    if plan.training and interval.written and isinstance(interval.value, int) and interval.value < 60:
        yield interval.finding(
            f"{interval.value} seconds: SimpleTuner demands 60 or more and stops with a ValueError",
            "set it to 60 or more",
            interval.write(60, safe=False),
        )
