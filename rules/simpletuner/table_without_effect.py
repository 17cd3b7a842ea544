from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, Place, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A table among the run's options.

    Why: options are words of a command line, and a table can't become one: it is put aside without a message, whatever
    its name. Only a few options (`webhook_config`, `deepspeed_config`, `tread_config`...) take one.
    Instead: write its settings as options of their own.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/configuration/cli_utils.py line 262 (`extras`)

    ```json SimpleTuner flagged
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "validation": {"prompt": "zwx ring"}
    }
    ```
    ```json SimpleTuner clean
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "validation_prompt": "zwx ring",
      "validation_resolution": "1024x1024"
    }
    ```
    """
    document = plan.config.document
    if not plan.training or not isinstance(document.data, dict) or document.syntax == "shell":
        return
    for path, entry in document.entries.items():
        if len(path) != 1 or not isinstance(entry.value, dict) or entry.key is None:
            continue
        name = str(path[0]).lstrip("-")
        known = plan.config.table.find(name)
        if known is None or known.type != "any":
            message = f"the table `{name}` is put aside without a message"
            yield Finding(Place(document, entry.key, path), message, "write its settings as options", name)
