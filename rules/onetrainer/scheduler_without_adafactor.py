from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Adafactor's schedule with another optimiser.

    Why: the schedule asks the optimiser for the rate that Adafactor computed; any other optimiser lacks that method,
    and the first step ends in an AttributeError.
    Instead: use `CONSTANT` or `COSINE`, or the optimiser ADAFACTOR.
    Sources: Nerogar/OneTrainer@23df3832 modules/util/create.py lines 1169-1174; transformers
    `AdafactorSchedule.get_lr`, https://github.com/Nerogar/OneTrainer

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
      "learning_rate_scheduler": "ADAFACTOR"
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
      "learning_rate_scheduler": "ADAFACTOR",
      "optimizer": {"optimizer": "ADAFACTOR"}
    }
    ```
    """
    scheduler, optimizer = plan.get("learning_rate_scheduler"), plan.get("optimizer.optimizer")
    free = str(optimizer.value).startswith("SCHEDULE_FREE") or str(optimizer.value).endswith("SCHEDULE_FREE")
    if plan.training and scheduler.value == "ADAFACTOR" and optimizer.value != "ADAFACTOR" and not free:
        yield scheduler.finding(
            f"the ADAFACTOR schedule with {optimizer.value}: an AttributeError at the first step",
            "use `CONSTANT`",
            scheduler.write("CONSTANT", safe=False),
        )
