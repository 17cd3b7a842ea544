from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, Place, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A comment in a JSON file that SimpleTuner reads.

    Why: configs, data backends and LyCORIS files go through Python's `json.load`, which knows no comments: SimpleTuner
    stops with a JSONDecodeError.
    Instead: remove the comments.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/configuration/json_file.py line 78,
    helpers/data_backend/factory.py line 1842

    ```jsonc SimpleTuner flagged
    {
      // first try
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0
    }
    ```
    ```jsonc SimpleTuner clean
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0
    }
    ```
    """
    for config in plan.configs:
        document = config.document
        if document.syntax == "json" and document.comments:
            place = Place(document, document.comments[0].span)
            yield Finding(place, "a comment in JSON: SimpleTuner stops with a JSONDecodeError", "remove the comments")
