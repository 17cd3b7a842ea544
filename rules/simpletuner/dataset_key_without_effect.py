from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A dataset setting that SimpleTuner ignores.

    Why: names in the VAE cache are always hashed, whatever `hash_filenames` says, and `ignore_epochs` does nothing any
    more.
    Instead: remove it.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/data_backend/factory.py lines 484 and 656;
    documentation/DATALOADER.md, `hash_filenames`

    ```json file multidatabackend.json
    [
      {
        "id": "zwx", "type": "local", "instance_data_dir": "data/zwx", "caption_strategy": "textfile",
        "resolution": 1024, "hash_filenames": false
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
        hashed, epochs = data.get("hash_filenames"), data.get("ignore_epochs")
        if hashed.written and hashed.value is False and data.get("type").value != "csv":
            message = "`hash_filenames` is ignored: cache names are always hashed"
            yield hashed.finding(message, "remove it", hashed.remove())
        if epochs.written:
            yield epochs.finding("`ignore_epochs` does nothing any more", "remove it", epochs.remove())
