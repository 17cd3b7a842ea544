from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """More than one text embed cache is marked `default`.

    Why: exactly one cache can hold the embeddings that belong to no dataset; with two marked `default: true`
    SimpleTuner stops with a ValueError. (With none marked it takes the first.)
    Instead: leave `default: true` in one entry.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/data_backend/factory.py line 2375

    ```json file multidatabackend.json
    [
      {
        "id": "zwx", "type": "local", "instance_data_dir": "data/zwx", "caption_strategy": "textfile",
        "resolution": 1024
      },
      {
        "id": "text", "type": "local", "dataset_type": "text_embeds", "default": true,
        "cache_dir": "cache/text"
      },
      {
        "id": "more-text", "type": "local", "dataset_type": "text_embeds", "default": true,
        "cache_dir": "cache/more"
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
        "id": "text", "type": "local", "dataset_type": "text_embeds", "default": true,
        "cache_dir": "cache/text"
      },
      {
        "id": "more-text", "type": "local", "dataset_type": "text_embeds", "default": false,
        "cache_dir": "cache/more"
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
        marked = []
        for entry in config.items("") if config.table.name == "data backend" else ():
            off = config.get(f"{entry}.disabled").value or config.get(f"{entry}.disable").value
            default = config.get(f"{entry}.default")
            if config.get(f"{entry}.dataset_type").value == "text_embeds" and not off and default.value is True:
                marked.append(default)
        for default in marked[1:]:
            yield default.finding(
                f"{len(marked)} text embed caches are marked `default`: SimpleTuner stops with a ValueError",
                "leave it in one of them",
                default.write(False, safe=False),
            )
