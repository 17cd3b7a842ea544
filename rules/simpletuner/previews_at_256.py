from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

LIBRARIES = ("validation_prompt_library", "user_prompt_library")
AUDIO = ("ace_step", "heartmula", "minimaxmusic")


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Validation images are drawn at 256 pixels.

    Why: `validation_resolution` is 256 when it is not written, far below what these models are made for: previews are
    garbled however good the LoRA is.
    Instead: set it to the training resolution, such as `1024x1024`.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) field_registry/sections/validation.py (`validation_resolution` default
    "256")

    ```json SimpleTuner flagged
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "validation_prompt": "zwx ring on slate"
    }
    ```
    ```json SimpleTuner clean
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "validation_prompt": "zwx ring on slate",
      "validation_resolution": "1024x1024"
    }
    ```
    """
    size = plan.get("validation_resolution")
    if plan.get("model_family").value in AUDIO:
        return
    wanted = plan.validation.prompts.value or any(plan.get(key).value for key in LIBRARIES)
    if plan.training and wanted and size.origin == "default" and plan.get("validation_disable").value is not True:
        yield size.finding(
            "validation images are drawn at 256 x 256 unless `validation_resolution` is written",
            "set it to the training resolution",
            size.write("1024x1024", safe=False),
        )
