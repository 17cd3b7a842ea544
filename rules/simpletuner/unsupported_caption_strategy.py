from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`caption_strategy: instance_prompt` in the run's config, which nothing reads.

    Why: the option accepts `instance_prompt`, but the code that fetches captions knows the word only as
    `instanceprompt`, which the option in turn refuses. Every dataset without a strategy of its own stops with a
    ValueError while captions are collected.
    Instead: write `"caption_strategy": "instanceprompt"` and the `instance_prompt` into the dataset's entry.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) field_registry/sections/data.py line 94, helpers/prompts.py line 640

    ```json SimpleTuner flagged
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "caption_strategy": "instance_prompt",
      "instance_prompt": "zwx ring"
    }
    ```
    ```json SimpleTuner clean
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "caption_strategy": "textfile"
    }
    ```
    """
    strategy = plan.get("caption_strategy")
    if not plan.training or strategy.value != "instance_prompt":
        return
    relying = [data for data in plan.datasets if data.caption_source.place is strategy.place]
    if relying or not plan.dataset_configs:
        yield strategy.finding(
            "`instance_prompt` is accepted here but unknown where captions are read: ValueError at collecting them",
            'write `"caption_strategy": "instanceprompt"` into each dataset instead',
        )
