from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """No concept is left to train on.

    Why: concepts that are switched off or for validation are left out; with nothing else the dataset is empty.
    Instead: switch one on.
    Sources: Nerogar/OneTrainer@23df3832 modules/dataLoader/mixin/DataLoaderMgdsMixin.py; Nerogar/mgds@3a6994a
    CollectPaths.py, https://github.com/Nerogar/mgds

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
      "concepts": [{"name": "zwx", "path": "data", "enabled": false}]
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
      "concepts": [{"name": "zwx", "path": "data"}]
    }
    ```
    """
    if plan.training and plan.unused and not plan.datasets:
        data = plan.unused[0]
        place = data.get("enabled") if data.get("enabled").value is False else data.get("type")
        yield place.finding("every concept is switched off or for validation only: nothing is trained", "switch one on")
