from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A schedule that a schedule-free optimiser overrules.

    Why: schedule-free optimisers average instead of decaying; OneTrainer forces CONSTANT and leaves out the warm-up.
    Instead: set `learning_rate_scheduler` to CONSTANT, or use another optimiser.
    Sources: Nerogar/OneTrainer@23df3832 modules/util/create.py lines 1136-1138 and 1222,
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
      "learning_rate_scheduler": "COSINE",
      "optimizer": {"optimizer": "SCHEDULE_FREE_ADAMW"}
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
      "learning_rate_scheduler": "CONSTANT",
      "optimizer": {"optimizer": "SCHEDULE_FREE_ADAMW"}
    }
    ```
    """
    scheduler, optimizer = plan.get("learning_rate_scheduler"), str(plan.get("optimizer.optimizer").value)
    if plan.training and "SCHEDULE_FREE" in optimizer and scheduler.written and scheduler.value != "CONSTANT":
        yield scheduler.finding(
            f"{optimizer} overrules the schedule {scheduler.value}: the rate stays constant",
            "set it to CONSTANT",
            scheduler.write("CONSTANT"),
        )
