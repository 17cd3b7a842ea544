from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Masked training without any mask.

    Why: a mask is a PNG of the image's name with `-masklabel` behind it. An image without one gets a white mask, so
    with none at all the run is an ordinary one.
    Instead: write the masks as `<image>-masklabel.png`, or switch `masked_training` off.
    Sources: Nerogar/OneTrainer@23df3832 modules/dataLoader/mixin/DataLoaderText2ImageMixin.py
    `_enumerate_input_modules`, `_load_input_modules`, https://github.com/Nerogar/OneTrainer

    ```files
    data/a.png
    data/a.txt: zwx, a ring on slate
    data/b.png
    data/b.txt: zwx, a ring on sand
    data/a_mask.png
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
      "masked_training": true,
      "concepts": [{"name": "zwx", "path": "data"}]
    }
    ```
    ```files
    data/a.png
    data/a.txt: zwx, a ring on slate
    data/b.png
    data/b.txt: zwx, a ring on sand
    data/a-masklabel.png
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
    if not plan.training or masked.value is not True or not listings or len(listings) < len(plan.datasets):
        return
    masks = [name for listing in listings for name in listing.others if name.endswith("-masklabel.png")]
    images = sum(len(listing.images) for listing in listings)
    if images and not masks:
        yield masked.finding(
            f"`masked_training` is on and none of {images} images has a `-masklabel.png`: every mask is white",
            "add the masks, or switch it off",
        )
