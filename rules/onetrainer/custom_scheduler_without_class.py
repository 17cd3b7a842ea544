from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`CUSTOM` without the schedule's class.

    Why: `custom_learning_rate_scheduler` must name a class with its module; OneTrainer asserts that when the first
    epoch begins, after caching.
    Instead: write it as `module.Class`.
    Sources: Nerogar/OneTrainer@23df3832 modules/util/create.py lines 1175-1184, https://github.com/Nerogar/OneTrainer

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
      "learning_rate_scheduler": "CUSTOM",
      "custom_learning_rate_scheduler": "CosineAnnealingLR"
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
      "learning_rate_scheduler": "CUSTOM",
      "custom_learning_rate_scheduler": "torch.optim.lr_scheduler.CosineAnnealingLR"
    }
    ```
    """
    scheduler, name = plan.get("learning_rate_scheduler"), plan.get("custom_learning_rate_scheduler")
    if plan.training and scheduler.value == "CUSTOM" and "." not in str(name.value or ""):
        yield (name if name.written else scheduler).finding(
            "`CUSTOM` needs `custom_learning_rate_scheduler` as `module.Class`: the run stops after caching", "set it"
        )
