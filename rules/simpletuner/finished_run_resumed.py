import re
from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """The output folder holds a run that is already as long as this one.

    Why: `resume_from_checkpoint` is `latest` by default, so the newest checkpoint in `output_dir` is taken up. If its
    step is not below `max_train_steps` the run ends at once and the old weights are saved again, whatever else was
    changed.
    Instead: another `output_dir`, or more steps.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/training/trainer.py lines 5004-5170 and 7559; field default of
    `resume_from_checkpoint`

    ```files
    out/checkpoint-1500/optimizer.bin
    out/checkpoint-2000/optimizer.bin
    ```
    ```json SimpleTuner flagged
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "out",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0
    }
    ```
    ```files
    out/checkpoint-1500/optimizer.bin
    ```
    ```json SimpleTuner clean
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "out",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0
    }
    ```
    """
    resume, steps = plan.saving.resume, plan.steps
    names = (re.fullmatch(r"checkpoint-(\d+)", name) for name in plan.saving.existing)
    reached = max((int(name[1]) for name in names if name), default=0)
    if plan.training and resume.value == "latest" and steps.value and reached >= steps.value:
        yield steps.finding(
            f"`checkpoint-{reached}` lies in `{plan.saving.folder.value}` and is resumed: a run of {steps.value} steps "
            "ends at once",
            "take another `output_dir`, or more steps",
        )
