from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

MEGAPIXELS = 20  # SimpleTuner's own bound for the neighbouring settings
PIXELS = 64  # pixel models (DeepFloyd) start here


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A resolution in pixels where megapixels are read, or the reverse.

    Why: `resolution_type: area` counts megapixels, `pixel` and `pixel_area` (the default) count pixels. `pixel_area`
    refuses a fraction with a ValueError; 1024 as an area is a gigapixel, 1 as an edge a single pixel, and neither is
    checked.
    Instead: 1024 with `pixel` or `pixel_area`, 1.0 with `area`.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/data_backend/factory.py line 2969; documentation/DATALOADER.md,
    `resolution`

    ```json file multidatabackend.json
    [
      {
        "id": "zwx", "type": "local", "instance_data_dir": "data/zwx", "caption_strategy": "textfile",
        "resolution": 1.0, "resolution_type": "pixel_area"
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
        "resolution": 1.0, "resolution_type": "area"
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
        own, kind = data.get("resolution"), data.get("resolution_type")
        unit = kind if kind.written or not plan.training else plan.get("resolution_type")
        value = own.value
        if not own.written or isinstance(value, bool) or not isinstance(value, (int, float)) or unit.value is None:
            continue
        if unit.value == "area" and value >= MEGAPIXELS:
            yield own.finding(
                f"{value:g} with `resolution_type: area` means {value:g} megapixels: the images would be "
                f"{(value * 1e6) ** 0.5:,.0f} pixels wide",
                "set `resolution_type` to `pixel_area`",
                kind.write("pixel_area", safe=False),
            )
        elif unit.value == "pixel_area" and isinstance(value, float):
            yield own.finding(
                f"{value} with `resolution_type: pixel_area`, which takes a whole number of pixels: ValueError",
                "write the edge in pixels, such as 1024, or set `resolution_type` to `area`",
                kind.write("area", safe=False) if value < MEGAPIXELS else None,
            )
        elif unit.value in ("pixel", "pixel_area") and 0 < value < PIXELS:
            yield own.finding(
                f"{value:g} with `resolution_type: {unit.value}` means {value:g} pixels",
                "write the edge in pixels, such as 1024, or set `resolution_type` to `area`",
            )
