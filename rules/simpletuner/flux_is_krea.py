from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """FLUX.1 without a flavour: Krea is trained, not dev.

    Why: the default flavour of `model_family: flux` is `krea` (FLUX.1 Krea dev). A LoRA meant for FLUX.1 dev is then
    trained on another model, and its samples look right all along.
    Instead: write `model_flavour` (`dev`, `krea`, `kontext`...).
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/models/flux/model.py line 89

    ```json SimpleTuner flagged
    {
      "model_family": "flux", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0
    }
    ```
    ```json SimpleTuner clean
    {
      "model_family": "flux", "model_flavour": "dev", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0
    }
    ```
    """
    family, flavour = plan.get("model_family"), plan.get("model_flavour")
    path = plan.get("pretrained_model_name_or_path").value
    if not plan.training or family.value != "flux" or flavour.written or path:
        return
    yield family.finding(
        "`model_flavour` is not set, and SimpleTuner takes FLUX.1 Krea, not FLUX.1 dev",
        "set `model_flavour` to the model you mean",
        flavour.write("dev", safe=False),
    )
