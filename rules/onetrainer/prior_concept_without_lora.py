from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A prior-prediction concept in a run that isn't a LoRA.

    Why: the prior is the model with its LoRA taken off; other methods have no such thing and stop with a
    NotImplementedError at the first batch that holds such an image.
    Instead: use `training_method` LORA, or another concept type.
    Sources: Nerogar/OneTrainer@23df3832 modules/modelSetup/BaseModelSetup.py `prior_model`,
    modules/trainer/GenericTrainer.py, https://github.com/Nerogar/OneTrainer

    ```json OneTrainer flagged
    {
      "__version": 11,
      "training_method": "FINE_TUNE",
      "model_type": "FLUX_2",
      "base_model_name": "black-forest-labs/FLUX.2-klein-base-9B",
      "output_model_format": "DIFFUSERS",
      "learning_rate": 1e-4,
      "lora_rank": 16,
      "lora_alpha": 16,
      "epochs": 60,
      "concepts": [{"name": "class", "path": "data", "type": "PRIOR_PREDICTION"}]
    }
    ```
    ```json OneTrainer clean
    {
      "__version": 11,
      "training_method": "LORA",
      "model_type": "FLUX_2",
      "base_model_name": "black-forest-labs/FLUX.2-klein-base-9B",
      "output_model_format": "DIFFUSERS_LORA",
      "learning_rate": 1e-4,
      "lora_rank": 16,
      "lora_alpha": 16,
      "epochs": 60,
      "concepts": [{"name": "class", "path": "data", "type": "PRIOR_PREDICTION"}]
    }
    ```
    """
    method = plan.get("training_method").value
    for data in plan.datasets if plan.training and method != "LORA" else ():
        kind = data.get("type")
        if kind.value == "PRIOR_PREDICTION":
            yield kind.finding(
                f"PRIOR_PREDICTION needs a LoRA, this is {method}: the run stops at its first batch",
                "use type STANDARD",
            )
