from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`flux_lora_target` for a model that does not read it.

    Why: only FLUX.1 and Chroma look at it. FLUX.2 trains its default modules whatever it says, although the
    documentation mentions it there: no caller of FLUX.2's own list of targets exists.
    Instead: `peft_lora_target_modules` with a list of module names.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/training/adapter.py line 53, helpers/models/chroma/model.py
    line 479; helpers/models/flux2/model.py line 1321 (`get_lora_target_modules`, never called)

    ```json SimpleTuner flagged
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "flux_lora_target": "all"
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
    target, family = plan.get("flux_lora_target"), plan.get("model_family").value
    if plan.training and target.written and family not in (None, "flux", "chroma"):
        yield target.finding(
            f"`{family}` does not read `flux_lora_target`: its default modules are trained",
            "set `peft_lora_target_modules`, or remove it",
            target.remove(),
        )
