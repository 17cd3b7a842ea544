from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """Caption files of several lines are several captions, one drawn at random.

    Why: with `caption_strategy: textfile` each line of a file is a caption of its own unless `disable_multiline_split`
    is set. A description with line breaks falls apart: the image is trained with one of its lines at a time.
    Instead: set `disable_multiline_split` where the lines belong together; leave it where they are alternatives.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/prompts.py line 418; documentation/DATALOADER.md,
    `disable_multiline_split`

    ```text file data/zwx/a.txt
    A silver ring on slate,
    zwx, seen from above.
    ```
    ```files
    data/zwx/a.png
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
      }
    ]
    ```
    ```json SimpleTuner flagged
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "train_batch_size": 1
    }
    ```
    ```text file data/zwx/a.txt
    A silver ring on slate,
    zwx, seen from above.
    ```
    ```files
    data/zwx/a.png
    ```
    ```json file multidatabackend.json
    [
      {
        "id": "zwx", "type": "local", "instance_data_dir": "data/zwx", "caption_strategy": "textfile",
        "resolution": 1024, "disable_multiline_split": true
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
      "max_train_steps": 2000, "num_train_epochs": 0, "train_batch_size": 1
    }
    ```
    """
    for data in plan.datasets:
        split = data.get("disable_multiline_split")
        several = [name for name, count in (data.caption_counts or {}).items() if count is not None and count > 1]
        if several and split.value is not True:
            yield data.folder.finding(
                f"{len(several)} of {len(data.caption_counts or {})} caption files have several lines (the one of "
                f"{several[0]}): each line is a caption of its own, and one is drawn at random",
                "set `disable_multiline_split` to true where the lines belong together",
                split.write(True, safe=False),
            )
