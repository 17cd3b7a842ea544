from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A Klein path without `model_flavour`, so FLUX.2 dev's text encoder is loaded.

    Why: which text encoder and which of its layers are used hangs on `model_flavour` alone (`klein-4b` or `klein-9b`).
    With `pretrained_model_name_or_path` the flavour stays empty, so SimpleTuner loads the 24B Mistral encoder of
    FLUX.2 dev, whose states (15360 wide) do not fit Klein (7680 or 12288): the run stops after caching.
    Instead: write `model_flavour` beside the path, or leave the path out.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/models/flux2/model.py lines 442-455, helpers/models/common.py
    line 1214

    ```json SimpleTuner flagged
    {
      "model_family": "flux2", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0,
      "pretrained_model_name_or_path": "black-forest-labs/FLUX.2-klein-base-4B"
    }
    ```
    ```json SimpleTuner clean
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0,
      "pretrained_model_name_or_path": "black-forest-labs/FLUX.2-klein-base-4B"
    }
    ```
    """
    path, flavour = plan.get("pretrained_model_name_or_path"), plan.get("model_flavour")
    if plan.get("model_family").value != "flux2" or not path.written or flavour.value or flavour.origin == "written":
        return
    found = plan.model.found
    if found.family == "flux2-klein":
        named = f"klein-{found.size.lower()}" if found.size else None
        yield path.finding(
            "the path is Klein but `model_flavour` is not set: SimpleTuner loads FLUX.2 dev's Mistral encoder, whose "
            "states don't fit, and stops after caching",
            f"set `model_flavour` to `{named}`" if named else "set `model_flavour` to `klein-4b` or `klein-9b`",
            flavour.write(named, safe=False) if named else None,
        )
