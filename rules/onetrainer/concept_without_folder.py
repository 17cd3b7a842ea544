from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A concept without a path.

    Why: an empty path is neither a folder nor a dataset of the hub: OneTrainer stops when it lists the images.
    Instead: set `path`.
    Sources: Nerogar/mgds@3a6994a DownloadHuggingfaceDatasets.py, CollectPaths.py, https://github.com/Nerogar/mgds

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
      "concepts": [{"name": "zwx", "path": ""}]
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
    for data in plan.datasets:
        if not data.folder.value:
            yield data.folder.finding(
                "this concept has no `path`: OneTrainer stops when it lists the images", "set `path`"
            )
