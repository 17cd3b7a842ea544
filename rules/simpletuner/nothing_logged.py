from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Nothing is logged.

    Why: `report_to` is `none` by default: no loss, no learning rate and no validation image is kept beyond the
    console, and nothing can be diagnosed afterwards.
    Instead: `"report_to": "simpletuner"` writes metrics and a report into the output folder, without an account.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) field_registry/sections/logging_fields.py;
    helpers/training/local_metrics.py

    ```json SimpleTuner flagged
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0
    }
    ```
    ```json SimpleTuner clean
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "report_to": "simpletuner"
    }
    ```
    """
    report = plan.get("report_to")
    if plan.training and report.value == "none":
        yield report.finding(
            "`report_to` is `none`: losses and rates are not kept",
            "set it to `simpletuner` for metrics in the output folder",
            report.write("simpletuner", safe=False),
        )
