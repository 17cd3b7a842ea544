from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="reported")
def check(plan: Plan) -> Iterator[Finding]:
    """Resolution-dependent shift with a high learning rate.

    Why: a shift moves training to high noise and acts like a larger rate. SimpleTuner's author found that the rate had
    to be halved with a fixed shift of 3.16, and divided by five with the automatic one, to keep from overfitting.
    Instead: a rate around 1e-4, or no automatic shift.
    Sources: bghira/SimpleTuner#905, https://github.com/bghira/SimpleTuner/pull/905

    ```json SimpleTuner flagged
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0004,
      "max_train_steps": 2000, "num_train_epochs": 0, "flow_schedule_auto_shift": true
    }
    ```
    ```json SimpleTuner clean
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "flow_schedule_auto_shift": true
    }
    ```
    """
    shift, rate = plan.get("flow_schedule_auto_shift"), plan.learning_rate
    flow = plan.timesteps.prediction.value == "flow"
    if plan.training and flow and shift.value is True and isinstance(rate.value, float) and 4e-4 <= rate.value < 0.1:
        yield shift.finding(
            f"automatic shift with a learning rate of {rate.value:g}: it trains as if at about five times that",
            "lower the rate, or leave the shift fixed",
        )
