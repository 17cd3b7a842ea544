from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

EMBEDS = ("text_embeds", "image_embeds", "conditioning_image_embeds", "grounding")


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Two datasets with the same `id`.

    Why: `id` names caches and state, so a second entry with the same one is refused with a ValueError when the
    datasets are set up, after the model is loaded.
    Instead: give each entry its own `id`.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/data_backend/factory.py line 2820

    ```json file multidatabackend.json
    [
      {
        "id": "zwx", "type": "local", "instance_data_dir": "data/zwx", "caption_strategy": "textfile",
        "resolution": 1024
      },
      {
        "id": "zwx", "type": "local", "instance_data_dir": "data/zwx", "caption_strategy": "textfile",
        "resolution": 512
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
        "resolution": 1024
      },
      {
        "id": "zwx-512", "type": "local", "instance_data_dir": "data/zwx", "caption_strategy": "textfile",
        "resolution": 512
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
    for config in plan.configs:
        seen: set[object] = set()
        for entry in config.items("") if config.table.name == "data backend" else ():
            name, kind = config.get(f"{entry}.id"), config.get(f"{entry}.dataset_type").value
            off = config.get(f"{entry}.disabled").value or config.get(f"{entry}.disable").value
            if off or name.value is None or kind in EMBEDS:
                continue
            if name.value in seen:
                yield name.finding(
                    f"a second dataset is called `{name.value}`: ValueError when the datasets are set up",
                    "give each entry its own `id`",
                )
            seen.add(name.value)
