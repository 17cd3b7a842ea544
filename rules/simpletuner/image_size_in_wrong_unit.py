from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A minimum, maximum or downsampling size in the wrong unit.

    Why: these sizes are read in the unit of `resolution_type`. `area` refuses a maximum of 20 megapixels and more and
    a minimum above 5, `pixel` refuses a maximum below 512, each with a ValueError; `pixel_area` is squared to
    megapixels first.
    Instead: write them in the unit of the resolution.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/data_backend/factory.py lines 750-782 and 2972,
    helpers/metadata/backends/base.py line 1262

    ```json file multidatabackend.json
    [
      {
        "id": "zwx", "type": "local", "instance_data_dir": "data/zwx", "caption_strategy": "textfile",
        "resolution": 1.0, "resolution_type": "area", "maximum_image_size": 1536,
        "target_downsample_size": 1024
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
        "resolution": 1.0, "resolution_type": "area", "maximum_image_size": 2.4, "target_downsample_size": 1.0
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
        kind = data.get("resolution_type")
        unit = kind if kind.written or not plan.training else plan.get("resolution_type")
        for key in ("maximum_image_size", "target_downsample_size", "minimum_image_size"):
            size = data.get(key)
            if size.written and isinstance(size.value, (int, float)) and not isinstance(size.value, bool):
                problem = _problem(str(unit.value), key, size.value)
                if problem:
                    yield size.finding(
                        f"{size.value:g} with `resolution_type: {unit.value}`{problem}",
                        "write it in the resolution's unit",
                    )


def _problem(unit: str, key: str, value: float) -> str | None:
    lowest = key == "minimum_image_size"
    bound = 5 if lowest else 20
    if unit == "area" and (value > bound or (value == bound and not lowest)):
        return f" is {value:g} megapixels: SimpleTuner takes it for pixels and stops with a ValueError"
    if unit == "pixel" and 0 < value < 512 and not lowest:
        return f" is {value:g} pixels: SimpleTuner takes it for megapixels and stops with a ValueError"
    if unit == "pixel_area" and value * value / 1e6 > bound:
        return f" is {value * value / 1e6:.1f} megapixels, beyond SimpleTuner's bound of {bound}: ValueError"
    return None
