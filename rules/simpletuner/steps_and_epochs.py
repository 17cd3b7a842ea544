from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A step limit while the epochs are not set to 0.

    Why: SimpleTuner refuses `max_train_steps` together with `num_train_epochs` above 0, and the epochs are 1 when
    nothing is written: a config that names only the steps stops at start with a ValueError.
    Instead: write `"num_train_epochs": 0` beside `max_train_steps`.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/configuration/cmd_args.py line 982; field default 1 in
    field_registry/sections/training.py

    ```json SimpleTuner flagged
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000
    }
    ```
    ```json SimpleTuner clean
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0
    }
    ```
    """
    steps, epochs = plan.steps, plan.get("num_train_epochs")
    if plan.training and steps.value and isinstance(epochs.value, int) and epochs.value > 0:
        place, origin = (epochs, "") if epochs.written else (steps, " by default")
        yield place.finding(
            f"`max_train_steps` is {steps.value} and `num_train_epochs` {epochs.value}{origin}: ValueError at start",
            "set `num_train_epochs` to 0",
            epochs.write(0, safe=False),
        )
