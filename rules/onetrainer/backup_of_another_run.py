from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """The last backup of a folder that every run shares.

    Why: `continue_last_backup` takes the newest folder in `workspace_dir/backup`; with the default workspace that may
    be another project's LoRA, which is then trained on under your name. A new learning rate is taken over, unlike in
    other trainers.
    Instead: give each project its own `workspace_dir`.
    Sources: Nerogar/OneTrainer@23df3832 modules/util/config/TrainConfig.py `get_last_backup_path`,
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
      "epochs": 60,
      "continue_last_backup": true
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
      "continue_last_backup": true,
      "workspace_dir": "workspace/zwx"
    }
    ```
    """
    resume, folder = plan.get("continue_last_backup"), plan.get("workspace_dir")
    if plan.training and resume.value is True and folder.value == "workspace/run":
        yield resume.finding(
            "`continue_last_backup` goes on with the newest backup in `workspace/run`, the folder all projects share",
            "set `workspace_dir`",
        )
