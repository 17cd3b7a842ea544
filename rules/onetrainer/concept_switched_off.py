from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A concept that is switched off.

    Why: `"enabled": false` leaves the folder out without a message: right for an experiment, and easily forgotten.
    Instead: set it to true, or remove the entry.
    Sources: Nerogar/mgds@3a6994a CollectPaths.py, https://github.com/Nerogar/mgds

    ```json OneTrainer flagged
    {
      "__version": 11,
      "training_method": "LORA",
      "model_type": "FLUX_2",
      "base_model_name": "black-forest-labs/FLUX.2-klein-base-9B",
      "output_model_format": "DIFFUSERS_LORA",
      "learning_rate": 1e-4,
      "lora_rank": 16,
      "lora_alpha": 16,
      "epochs": 60,
      "concepts": [
        {"name": "zwx", "path": "data"},
        {"name": "studio", "path": "data2", "enabled": false}
      ]
    }
    ```
    ```json OneTrainer clean
    {
      "__version": 11,
      "training_method": "LORA",
      "model_type": "FLUX_2",
      "base_model_name": "black-forest-labs/FLUX.2-klein-base-9B",
      "output_model_format": "DIFFUSERS_LORA",
      "learning_rate": 1e-4,
      "lora_rank": 16,
      "lora_alpha": 16,
      "epochs": 60,
      "concepts": [{"name": "zwx", "path": "data"}, {"name": "studio", "path": "data2"}]
    }
    ```
    """
    for data in plan.unused:
        enabled = data.get("enabled")
        if enabled.value is False and plan.datasets:
            yield enabled.finding(
                f"`{data.folder.value}` is switched off and not trained on",
                "set `enabled` to true",
                enabled.write(True, safe=False),
            )
