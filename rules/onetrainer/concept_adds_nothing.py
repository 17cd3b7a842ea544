from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A concept that contributes no image, or one.

    Why: `balancing` multiplies the images with REPEATS, rounded down, and *is* their number per epoch with SAMPLES.
    Left at 1 after changing to SAMPLES, one image of the folder is shown per epoch; a small factor of a small folder
    gives none.
    Instead: raise `balancing`, or go back to REPEATS.
    Sources: Nerogar/mgds@3a6994a VariationSorting.py, https://github.com/Nerogar/mgds

    ```files
    data/a.png
    data/a.txt: zwx, a ring on slate
    data/b.png
    data/b.txt: zwx, a ring on sand
    ```
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
      "concepts": [{"name": "zwx", "path": "data", "balancing": 1.0, "balancing_strategy": "SAMPLES"}]
    }
    ```
    ```files
    data/a.png
    data/a.txt: zwx, a ring on slate
    data/b.png
    data/b.txt: zwx, a ring on sand
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
      "concepts": [{"name": "zwx", "path": "data", "balancing": 1.0, "balancing_strategy": "REPEATS"}]
    }
    ```
    """
    for data in plan.datasets:
        balancing, strategy = data.get("balancing"), data.get("balancing_strategy")
        if not isinstance(balancing.value, (int, float)):
            continue
        images = len(data.listing.images) if data.listing is not None else None
        if strategy.value == "SAMPLES" and balancing.value < 2 and images != 1:
            count = int(balancing.value)
            shown = "one image of this folder is" if count == 1 else "no image of this folder is"
            yield (balancing if balancing.written else strategy).finding(
                f"`balancing` {balancing.value:g} with SAMPLES: {shown} shown per epoch",
                "set the number of images, or use REPEATS",
            )
        elif strategy.value != "SAMPLES" and images and int(images * balancing.value) == 0:
            yield balancing.finding(
                f"{images} images x {balancing.value:g}, rounded down, are none: this folder is not trained on",
                "raise `balancing`",
            )
