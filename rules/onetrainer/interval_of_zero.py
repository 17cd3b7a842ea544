from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """An interval of 0.

    Why: with `EPOCH` or `STEP` an interval of 0 never comes, and 0 is the default of `save_every`: choosing the unit
    alone saves nothing. With a unit of time it comes at every step.
    Instead: set the number as well as the unit.
    Sources: Nerogar/OneTrainer@23df3832 modules/util/TimedActionMixin.py `repeating_action_needed`,
    modules/util/config/TrainConfig.py, https://github.com/Nerogar/OneTrainer

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
      "save_every_unit": "EPOCH"
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
      "save_every": 10,
      "save_every_unit": "EPOCH"
    }
    ```
    """
    if not plan.training:
        return
    for key, what in (("save_every", "saved"), ("backup_after", "backed up"), ("sample_after", "drawn")):
        number, unit = plan.get(key), plan.get(f"{key}_unit")
        zero = isinstance(number.value, (int, float)) and int(number.value) == 0
        if not zero or not (number.written or unit.written):
            continue
        place = unit if unit.written else number
        if unit.value in ("EPOCH", "STEP") and key == "save_every":  # the others may be switched off this way
            yield place.finding(
                f"`{key}` is 0 {unit.value}: nothing is ever {what}", f"set `{key}`", number.write(1, safe=False)
            )
        elif unit.value in ("SECOND", "MINUTE", "HOUR") and number.value == 0:
            yield place.finding(f"`{key}` is 0 {unit.value}: something is {what} at every step", f"set `{key}`")
