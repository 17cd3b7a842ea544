from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Captions lie beside the images, and the strategy reads the file names.

    Why: `filename` makes the caption of the file's name; the `.txt` files beside the images are not opened.
    Instead: set `caption_strategy` to `textfile`.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/prompts.py line 377; documentation/DATALOADER.md,
    `caption_strategy`

    ```files
    data/zwx/a.png
    data/zwx/a.txt: zwx ring on slate
    data/zwx/b.png
    data/zwx/b.txt: zwx ring on sand
    ```
    ```json file multidatabackend.json
    [
      {
        "id": "zwx", "type": "local", "instance_data_dir": "data/zwx", "caption_strategy": "filename",
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
        source, listing = data.caption_source, data.listing
        captions = len(listing.captioned(".txt")) if listing else 0
        if source.value == "filename" and source.written and captions:
            yield source.finding(
                f"the file names are the captions, and {captions} `.txt` captions beside them are not read",
                "set `caption_strategy` to `textfile`",
                source.write("textfile", safe=False),
            )
