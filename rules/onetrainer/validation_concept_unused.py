from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A concept is for validation, and validation is off.

    Why: such a concept is never trained on; with `validation` off nothing else reads it either.
    Instead: set `validation` to true, or the type to STANDARD.
    Sources: Nerogar/OneTrainer@23df3832 modules/dataLoader/mixin/DataLoaderMgdsMixin.py lines 29-35,
    https://github.com/Nerogar/OneTrainer

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
        {"name": "held out", "path": "held_out", "type": "VALIDATION"}
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
      "validation": true,
      "concepts": [
        {"name": "zwx", "path": "data"},
        {"name": "held out", "path": "held_out", "type": "VALIDATION"}
      ]
    }
    ```
    """
    validation = plan.get("validation")
    for data in plan.unused if plan.training and validation.value is False else ():
        kind = data.get("type")
        if kind.value == "VALIDATION" and data.get("enabled").value:
            yield kind.finding(
                f"`{data.folder.value}` is for validation and `validation` is off: it is not read at all",
                "set `validation` to true",
                validation.write(True, safe=False) if validation.written else None,
            )
