from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """A LyCORIS adapter on SDXL's feed-forward layers.

    Why: SimpleTuner's documentation reports that training `FeedForward` with LyCORIS breaks SDXL and sends the loss to
    NaN, the more surely with SageAttention in training.
    Instead: target `Attention` only.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) documentation/LYCORIS.md, Potential problems

    ```json file lycoris_config.json
    {
      "algo": "lokr", "multiplier": 1.0, "full_matrix": true, "linear_dim": 10000, "linear_alpha": 1,
      "factor": 4, "apply_preset": {"target_module": ["Attention", "FeedForward"]}
    }
    ```
    ```json SimpleTuner flagged
    {
      "model_family": "sdxl", "model_flavour": "base-1.0", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "lora_type": "lycoris",
      "lycoris_config": "lycoris_config.json"
    }
    ```
    ```json file lycoris_config.json
    {
      "algo": "lokr", "multiplier": 1.0, "full_matrix": true, "linear_dim": 10000, "linear_alpha": 1,
      "factor": 4, "apply_preset": {"target_module": ["Attention"]}
    }
    ```
    ```json SimpleTuner clean
    {
      "model_family": "sdxl", "model_flavour": "base-1.0", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "lora_type": "lycoris",
      "lycoris_config": "lycoris_config.json"
    }
    ```
    """
    for config in plan.configs if plan.get("model_family").value == "sdxl" else ():
        targets = config.get("apply_preset.target_module")
        if config.table.name == "lycoris" and isinstance(targets.value, list) and "FeedForward" in targets.value:
            yield targets.finding(
                "LyCORIS on SDXL's `FeedForward` is reported to send the loss to NaN", "target `Attention` only"
            )
