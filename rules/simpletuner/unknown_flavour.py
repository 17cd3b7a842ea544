from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule
from lora_doctor.setting import key_table


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A model flavour that the family does not have.

    Why: without `pretrained_model_name_or_path` the flavour is looked up in the family's list, and a name that is not
    in it ends the run with a ValueError.
    Instead: use one of the flavours in the message.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/models/common.py line 1224, helpers/models/flux2/model.py line
    150

    ```json SimpleTuner flagged
    {
      "model_family": "flux2", "model_flavour": "klein-base-4b", "model_type": "lora",
      "output_dir": "output/zwx", "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16",
      "learning_rate": 0.0001, "max_train_steps": 2000, "num_train_epochs": 0
    }
    ```
    ```json SimpleTuner clean
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0
    }
    ```
    """
    family, flavour = plan.get("model_family").value, plan.get("model_flavour")
    rows = (name.partition(".") for name in key_table("simpletuner", "flavours").keys)
    known = [name for home, _, name in rows if home == family]
    path = plan.get("pretrained_model_name_or_path").value
    if plan.training and known and flavour.written and flavour.value and flavour.value not in known and not path:
        yield flavour.finding(
            f"`{family}` has no flavour `{flavour.value}`: SimpleTuner stops with a ValueError",
            "use one of " + ", ".join(f"`{name}`" for name in known),
        )
