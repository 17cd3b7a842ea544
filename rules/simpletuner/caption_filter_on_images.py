from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`caption_filter_list` in a dataset of images.

    Why: captions are filtered where their embeddings are cached, so the setting belongs to the `text_embeds` entry; in
    an image entry it is refused with a ValueError.
    Instead: move it into the `text_embeds` entry.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/data_backend/factory.py line 430

    ```json file multidatabackend.json
    [
      {
        "id": "zwx", "type": "local", "instance_data_dir": "data/zwx", "caption_strategy": "textfile",
        "resolution": 1024, "caption_filter_list": "filters.txt"
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
        "id": "text", "type": "local", "dataset_type": "text_embeds", "default": true,
        "cache_dir": "cache/text", "caption_filter_list": "filters.txt"
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
        filters = data.get("caption_filter_list")
        if filters.written:
            yield filters.finding(
                "`caption_filter_list` belongs to the `text_embeds` entry: here it is refused with a ValueError",
                "move it there",
            )
