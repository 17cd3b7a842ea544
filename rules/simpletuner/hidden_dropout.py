from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Dropout that nobody wrote: 10 % of the adapter by default.

    Why: `lora_dropout` is 0.1 when it is not written; most trainers take 0. Results differ from the same recipe
    elsewhere.
    Instead: write `"lora_dropout": 0.0` to compare with other trainers, or leave it as a mild regulariser.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) field_registry/sections/lora.py line 131

    ```json SimpleTuner flagged
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0
    }
    ```
    ```json SimpleTuner clean
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "lora_dropout": 0.0
    }
    ```
    """
    dropout = plan.network.dropout
    if plan.training and dropout.origin == "default" and dropout.value and plan.get("lora_type").value == "standard":
        yield dropout.finding(
            f"`lora_dropout` is {dropout.value:g} unless it is written; most trainers take 0",
            "write it, if you compare with another trainer",
            dropout.write(0.0, safe=False),
        )
