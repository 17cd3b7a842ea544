from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """No caption strategy is set, so the file names are the captions.

    Why: the strategy is `filename` when neither the dataset nor the run sets one: `IMG_4711.png` is trained with the
    caption "IMG 4711", and caption files beside the images are not opened.
    Instead: set `caption_strategy` to `textfile` in the dataset's entry, or write `filename` if you mean it.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) field_registry/sections/data.py line 93,
    helpers/data_backend/factory.py line 3503

    ```files
    data/zwx/a.png
    data/zwx/a.txt: zwx ring on slate
    data/zwx/b.png
    data/zwx/b.txt: zwx ring on sand
    ```
    ```json file multidatabackend.json
    [
      {
        "id": "zwx", "type": "local", "instance_data_dir": "data/zwx", "resolution": 1024
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
        source, strategy = data.caption_source, data.get("caption_strategy")
        if not plan.training or source.value != "filename" or source.origin != "default" or data.folder.place is None:
            continue
        beside = len(data.listing.captioned(".txt")) if data.listing else 0
        example = f" (`{data.listing.images[0]}`)" if data.listing and data.listing.images else ""
        ignored = f", and {beside} `.txt` captions beside them are not read" if beside else ""
        yield data.folder.finding(
            f"no `caption_strategy` is set: the file names are the captions{example}{ignored}",
            "set `caption_strategy` to `textfile`",
            strategy.write("textfile", safe=False),
        )
