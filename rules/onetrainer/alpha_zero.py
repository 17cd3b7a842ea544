from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Alpha 0: the LoRA does nothing.

    Why: the update is multiplied by alpha / rank. Where kohya's tools read 0 as the rank, OneTrainer multiplies by
    zero, and no gradient comes back either.
    Instead: set `lora_alpha` to the rank, or to 1 to keep OneTrainer's default.
    Sources: Nerogar/OneTrainer@23df3832 modules/module/LoRAModule.py `delta_forward`,
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
      "lora_alpha": 0,
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
      "epochs": 60
    }
    ```
    """
    alpha, kind = plan.network.alpha, plan.network.kind.value
    if plan.training and alpha.value == 0 and kind in ("lora", "loha", "dora", "lokr"):
        yield alpha.finding(
            "`lora_alpha` 0 multiplies the update by zero: nothing is learned",
            f"set it to {plan.network.rank.value}",
            alpha.write(plan.network.rank.value, safe=False),
        )
