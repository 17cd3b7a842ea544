from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """The LoRA is written to the default file.

    Why: `models/model.safetensors` is every run's destination until another is set, and a file of that name is
    overwritten. (`prevent_overwrites` only colours the field in the user interface.)
    Instead: name it after the project.
    Sources: Nerogar/OneTrainer@23df3832 modules/trainer/GenericTrainer.py `end`, modules/util/ui/validation.py,
    https://github.com/Nerogar/OneTrainer

    ```json OneTrainer flagged
    {
      "__version": 11,
      "training_method": "LORA",
      "model_type": "FLUX_2",
      "base_model_name": "black-forest-labs/FLUX.2-klein-base-9B",
      "output_model_format": "DIFFUSERS_LORA",
      "learning_rate": 1e-4,
      "lora_rank": 16,
      "lora_alpha": 16,
      "epochs": 60
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
      "output_model_destination": "models/zwx.safetensors"
    }
    ```
    """
    name = plan.get("output_model_destination")
    if plan.training and name.value == "models/model.safetensors":
        yield name.finding(
            "the result goes to `models/model.safetensors`, and overwrites what the last run left there",
            "set `output_model_destination`",
        )
