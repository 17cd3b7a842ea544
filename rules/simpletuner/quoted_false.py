from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """The text "false" for an option that is on by default.

    Why: `false` becomes `--option=false`, but the text "false" is dropped with the option, so an option that is on by
    default stays on. In config.env every value is text.
    Instead: write `false` without quotes; in config.env add `--option=false` to `TRAINER_EXTRA_ARGS`.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/configuration/cli_utils.py line 223,
    helpers/configuration/env_file.py

    ```json SimpleTuner flagged
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "gradient_checkpointing": "false"
    }
    ```
    ```json SimpleTuner clean
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "gradient_checkpointing": false
    }
    ```
    """
    for key, setting in plan.config.written() if plan.training else ():
        known = plan.config.table.find(key)
        place = setting.place
        if known is None or known.type != "bool" or known.default is not True or place is None:
            continue
        entry = place.document.entries.get(place.path)
        if entry is None or not isinstance(entry.value, str) or entry.value.strip().lower() != "false":
            continue
        if place.document.syntax == "shell":
            message = f"`{setting.key}` false is dropped, and `{key}` stays on"
            yield setting.finding(message, f"add `--{key}=false` to `TRAINER_EXTRA_ARGS`")
        else:
            yield setting.finding(
                f'the text "false" is dropped, and `{key}` stays on', "write false without quotes", setting.write(False)
            )
