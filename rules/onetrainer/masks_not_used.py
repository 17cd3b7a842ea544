from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Masks lie beside the images, and masked training is off.

    Why: files that end in `-masklabel` are never trained on as images, and without `masked_training` they are not read
    as masks either.
    Instead: set `masked_training` to true.
    Sources: Nerogar/OneTrainer@23df3832 modules/dataLoader/mixin/DataLoaderText2ImageMixin.py,
    https://github.com/Nerogar/OneTrainer

    ```files
    data/a.png
    data/a.txt: zwx, a ring on slate
    data/b.png
    data/b.txt: zwx, a ring on sand
    data/a-masklabel.png
    data/b-masklabel.png
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
      "concepts": [{"name": "zwx", "path": "data"}]
    }
    ```
    ```files
    data/a.png
    data/a.txt: zwx, a ring on slate
    data/b.png
    data/b.txt: zwx, a ring on sand
    data/a-masklabel.png
    data/b-masklabel.png
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
      "masked_training": true,
      "concepts": [{"name": "zwx", "path": "data"}]
    }
    ```
    """
    masked = plan.get("masked_training")
    listings = [data.listing for data in plan.datasets if data.listing is not None]
    masks = [name for listing in listings for name in listing.others if name.endswith("-masklabel.png")]
    inpaints = str(plan.get("model_type").value).endswith("INPAINTING")
    if plan.training and masked.value is False and masks and not inpaints:
        yield masked.finding(
            f"{len(masks)} masks ({masks[0]}) lie beside the images and `masked_training` is off: they are not used",
            "set `masked_training` to true",
            masked.write(True, safe=False),
        )
