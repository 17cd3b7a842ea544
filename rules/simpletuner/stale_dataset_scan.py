from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """Dataset files are not scanned, so new or changed images stay unseen.

    Why: `skip_file_discovery` leaves out the scans it names, and `preserve_data_backend_cache` keeps the old list of
    files: images and captions added since the first run are not trained, without a message.
    Instead: remove both until the dataset is final; they only save time at start.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) documentation/DATALOADER.md, `skip_file_discovery` and
    `preserve_data_backend_cache`

    ```json file multidatabackend.json
    [
      {
        "id": "zwx", "type": "local", "instance_data_dir": "data/zwx", "caption_strategy": "textfile",
        "resolution": 1024, "skip_file_discovery": "vae aspect metadata text"
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
        "resolution": 1024, "skip_file_discovery": ""
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
    owners = [plan.get] if plan.training else []
    for get in [*owners, *(data.get for data in plan.datasets)]:
        skipped, kept = get("skip_file_discovery"), get("preserve_data_backend_cache")
        if skipped.written and isinstance(skipped.value, str) and skipped.value.strip():
            yield skipped.finding(
                f"the scans `{skipped.value}` are left out: images or captions added since the first run are not seen",
                "remove it until the dataset is final",
                skipped.write("", safe=False),
            )
        if kept.written and kept.value is True:
            yield kept.finding(
                "the old list of files is kept: images added since the first run are not seen",
                "remove it until the dataset is final",
                kept.write(False, safe=False),
            )
