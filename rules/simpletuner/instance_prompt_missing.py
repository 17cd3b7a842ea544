from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A caption strategy that needs an `instance_prompt`, and none is written.

    Why: `instanceprompt` and `prepend_instance_prompt` take their text from `instance_prompt` of the dataset or of the
    run; without it the dataset is refused with a ValueError, after the model is loaded and the files are scanned.
    Instead: write `instance_prompt` into the dataset's entry.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/data_backend/factory.py line 3587

    ```json file multidatabackend.json
    [
      {
        "id": "zwx", "type": "local", "instance_data_dir": "data/zwx", "caption_strategy": "instanceprompt",
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
      "max_train_steps": 2000, "num_train_epochs": 0
    }
    ```
    ```json file multidatabackend.json
    [
      {
        "id": "zwx", "type": "local", "instance_data_dir": "data/zwx", "caption_strategy": "instanceprompt",
        "resolution": 1024, "instance_prompt": "zwx ring"
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
    for data in plan.datasets if plan.training else ():
        strategy, prefix = data.get("caption_strategy"), data.get("prepend_instance_prompt")
        if data.get("instance_prompt").value or plan.get("instance_prompt").value:
            continue
        for setting, needs in ((strategy, strategy.value == "instanceprompt"), (prefix, prefix.value is True)):
            if setting.written and needs:
                yield setting.finding(
                    f"`{setting.key}` needs an `instance_prompt`, and there is none: the set is refused (ValueError)",
                    "write `instance_prompt` into this entry",
                )
