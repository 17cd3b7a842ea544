from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Nothing is saved on the way but backups by the clock.

    Why: `save_every_unit` is NEVER unless set. Backups come every 30 minutes by default, at steps that depend on the
    machine; they hold the LoRA (`lora/lora.safetensors`), in OneTrainer's own format.
    Instead: `"save_every": 5, "save_every_unit": "EPOCH"` for checkpoints to compare.
    Sources: Nerogar/OneTrainer@23df3832 modules/util/config/TrainConfig.py, modules/trainer/GenericTrainer.py
    `__backup`, `__save`, https://github.com/Nerogar/OneTrainer

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
      "save_every": 5,
      "save_every_unit": "EPOCH"
    }
    ```
    """
    unit, backups = plan.get("save_every_unit"), plan.get("backup_after_unit")
    if plan.training and unit.value == "NEVER" and backups.value in ("SECOND", "MINUTE", "HOUR"):
        yield unit.finding(
            "no checkpoints are saved on the way, only backups by the clock", "set `save_every` and `save_every_unit`"
        )
