from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """The loss on held-out images is computed and not kept.

    Why: `report_to` is `none` by default. An evaluation set costs time every so many steps, and its losses, which show
    when a LoRA begins to overfit, are gone with the progress bar.
    Instead: `"report_to": "simpletuner"` writes metrics and a report into the output folder, without an account.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) field_registry/sections/logging_fields.py;
    helpers/training/local_metrics.py; helpers/training/validation.py

    ```json SimpleTuner flagged
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "eval_steps_interval": 100
    }
    ```
    ```json SimpleTuner clean
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
      "max_train_steps": 2000, "num_train_epochs": 0, "eval_steps_interval": 100, "report_to": "simpletuner"
    }
    ```
    """
    report = plan.get("report_to")
    evaluated = plan.validation.held_out.written or plan.get("eval_steps_interval").written
    if plan.training and report.value == "none" and evaluated:
        yield report.finding(
            "`report_to` is `none`: the losses on held-out images are computed and not kept",
            "set it to `simpletuner` for metrics in the output folder",
            report.write("simpletuner", safe=False),
        )
