from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`repeats` in a concept of today's format.

    Why: the key is called `balancing` since the first version of the concept format; `repeats` is only read from files
    without a version.
    Instead: rename it.
    Sources: Nerogar/OneTrainer@23df3832 modules/util/config/ConceptConfig.py `__migration_0`,
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
      "concepts": [{"__version": 2, "name": "zwx", "path": "data", "repeats": 10}]
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
      "concepts": [{"__version": 2, "name": "zwx", "path": "data", "balancing": 10}]
    }
    ```
    """
    for data in plan.datasets:
        repeats, version = data.get("repeats"), data.get("__version").value
        if repeats.written and isinstance(version, int) and version >= 1:
            yield repeats.finding(
                f"`repeats` {repeats.value} is not read, every image is shown once per epoch",
                "call it `balancing`",
                repeats.call("balancing"),
            )
