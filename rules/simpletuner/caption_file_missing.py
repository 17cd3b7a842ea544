from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """An image without its caption file stops the run.

    Why: with `caption_strategy: textfile` every image needs a `.txt` of its name. The first one missing is a
    FileNotFoundError while captions are collected, after the model is loaded.
    Instead: write the missing captions, or move those images away.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/prompts.py line 411, helpers/data_backend/factory.py line 3695

    ```files
    data/zwx/a.png
    data/zwx/a.txt: zwx ring on slate
    data/zwx/b.png
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
    ```files
    data/zwx/a.png
    data/zwx/a.txt: zwx ring on slate
    data/zwx/b.png
    data/zwx/b.txt: zwx ring on sand
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
    ```json SimpleTuner clean
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "train_batch_size": 1
    }
    ```
    """
    for data in plan.datasets:
        extension, listing = data.caption_extension.value, data.listing
        if listing is None or data.caption_source.value != "files" or not extension:
            continue
        captioned = set(listing.captioned(extension))
        missing = [name for name in listing.images if name not in captioned]
        if missing:
            names = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
            yield data.folder.finding(
                f"{len(missing)} of {len(listing.images)} images have no `{extension}` caption ({names}): "
                "FileNotFoundError while captions are collected",
                "caption them or move them away",
            )
