from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """Cropping is on, with the defaults of where and to what shape.

    Why: `crop: true` alone crops every image to a square at a random place, drawn once, when its latents are cached:
    aspect buckets are off, and portraits can lose their heads for the whole run.
    Instead: `crop: false` with aspect buckets, or set `crop_style` (`center`, `face`) and `crop_aspect` (`preserve`).
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/data_backend/factory.py lines 521-560 (defaults `square`,
    `random`); documentation/DATALOADER.md, Cropping Options

    ```json file multidatabackend.json
    [
      {
        "id": "zwx", "type": "local", "instance_data_dir": "data/zwx", "caption_strategy": "textfile",
        "resolution": 1024, "crop": true
      },
      {
        "id": "text", "type": "local", "dataset_type": "text_embeds", "default": true,
        "cache_dir": "cache/text"
      }
    ]
    ```
    ```json SimpleTuner flagged
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0
    }
    ```
    ```json file multidatabackend.json
    [
      {
        "id": "zwx", "type": "local", "instance_data_dir": "data/zwx", "caption_strategy": "textfile",
        "resolution": 1024, "crop": true, "crop_style": "center", "crop_aspect": "preserve"
      },
      {
        "id": "text", "type": "local", "dataset_type": "text_embeds", "default": true,
        "cache_dir": "cache/text"
      }
    ]
    ```
    ```json SimpleTuner clean
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0
    }
    ```
    """
    for data in plan.datasets:
        crop, style, aspect = data.get("crop"), data.get("crop_style"), data.get("crop_aspect")
        if crop.value is not True or (style.written and aspect.written):
            continue
        parts = ["to a square (no aspect buckets)"] if not aspect.written else []
        parts += ["at a random place, once for all"] if not style.written else []
        yield crop.finding(
            f"every image is cropped {' and '.join(parts)}",
            "set " + " and ".join(f"`{key.key.rpartition('.')[2]}`" for key in (style, aspect) if not key.written),
        )
