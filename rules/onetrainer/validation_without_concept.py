from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Validation is on, and no concept is for validation.

    Why: the validation loss is computed on concepts of type VALIDATION only; without one there is nothing to compute.
    Instead: give a small folder of held-out images the type VALIDATION.
    Sources: Nerogar/OneTrainer@23df3832 modules/dataLoader/mixin/DataLoaderMgdsMixin.py,
    modules/trainer/GenericTrainer.py `__validate`, https://github.com/Nerogar/OneTrainer

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
      "validation": true,
      "concepts": [{"name": "zwx", "path": "data"}]
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
    held_out = [data for data in plan.unused if data.get("type").value == "VALIDATION" and data.get("enabled").value]
    if plan.training and validation.value is True and plan.datasets and not held_out:
        yield validation.finding(
            "`validation` is on and no concept has the type VALIDATION: there is no validation loss",
            "give a folder of held-out images the type VALIDATION",
        )
