from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A warm-up of 1: the whole run, not one step.

    Why: values above 1 are steps, values up to and including 1 are a share of the run, so at 1 the learning rate rises
    from zero to its value over the entire training.
    Instead: 0 for no warm-up, 2 or more for steps, 0.05 for a twentieth of the run.
    Sources: Nerogar/OneTrainer@23df3832 modules/util/create.py lines 1127-1132, https://github.com/Nerogar/OneTrainer

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
      "learning_rate_warmup_steps": 1
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
      "learning_rate_warmup_steps": 0.05
    }
    ```
    """
    warmup = plan.get("learning_rate_warmup_steps")
    if plan.training and warmup.value == 1 and "SCHEDULE_FREE" not in str(plan.optimizer.name.value):
        yield warmup.finding(
            "`learning_rate_warmup_steps` 1 is 100 % of the run: the learning rate is reached at its last step only",
            "write 0, a share such as 0.05, or 2 and more for steps",
            warmup.write(0, safe=False),
        )
