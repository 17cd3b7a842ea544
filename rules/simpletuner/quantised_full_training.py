from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A quantised base model in a full fine-tune.

    Why: quantised weights can't be trained; SimpleTuner exits at start.
    Instead: `"model_type": "lora"`, or `"base_model_precision": "no_change"`.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/training/default_settings/safety_check.py line 128

    ```json SimpleTuner flagged
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "full", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "base_model_precision": "int8-quanto"
    }
    ```
    ```json SimpleTuner clean
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "base_model_precision": "int8-quanto"
    }
    ```
    """
    precision, kind = plan.get("base_model_precision"), plan.get("model_type").value
    allowed = plan.get("controlnet").value is True or plan.get("i_know_what_i_am_doing").value is True
    if plan.training and kind == "full" and precision.written and precision.value != "no_change" and not allowed:
        yield precision.finding(
            f"`{precision.value}` with `model_type: full`: quantised weights can't be trained, and SimpleTuner exits",
            "set it to `no_change`, or train a LoRA",
            precision.write("no_change", safe=False),
        )
