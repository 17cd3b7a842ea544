from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`maximum_image_size` without `target_downsample_size`.

    Why: the one says from which size on an image is scaled down, the other to which; with only the first SimpleTuner
    stops with a ValueError.
    Instead: add `target_downsample_size`, the resolution or a little more.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/data_backend/factory.py line 746,
    helpers/configuration/cmd_args.py

    ```json file multidatabackend.json
    [
      {
        "id": "zwx", "type": "local", "instance_data_dir": "data/zwx", "caption_strategy": "textfile",
        "resolution": 1024, "maximum_image_size": 2048
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
        "resolution": 1024, "maximum_image_size": 2048, "target_downsample_size": 1280
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
    shared = plan.get("target_downsample_size").value
    for data in plan.datasets:
        maximum, target = data.get("maximum_image_size"), data.get("target_downsample_size")
        if plan.training and maximum.written and maximum.value and not target.value and not shared:
            yield maximum.finding(
                "`maximum_image_size` without `target_downsample_size`: SimpleTuner stops with a ValueError",
                "set `target_downsample_size`, to the resolution or a little more",
            )
