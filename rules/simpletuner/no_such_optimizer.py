from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule
from lora_doctor.setting import key_table

NOW = {
    "adamw8bit": "bnb-adamw8bit",
    "adafactor": "optimi-stableadamw",
    "dadaptation": "adamw_schedulefree",
    "adambfloat16": "adamw_bf16",
    "adamw": "adamw_bf16",
    "lion": "optimi-lion",
    "lion8bit": "bnb-lion8bit",
    "prodigyopt": "prodigy",
    "pagedadamw8bit": "bnb-adamw8bit-paged",
}


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """An optimiser that SimpleTuner does not have, or has no longer.

    Why: the name is looked up in a fixed list when the options are read, and any other ends the run there. Names of
    2024 (`adamw8bit`, `adafactor`, `dadaptation`) were removed, and names of other trainers (`adamw_8bit`,
    `AdamW8bit`) never existed.
    Instead: use the name in the message; `adamw_bf16` is the plain choice.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/training/optimizer_param.py (`optimizer_choices`,
    `deprecated_optimizers`)

    ```json SimpleTuner flagged
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw8bit", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0
    }
    ```
    ```json SimpleTuner clean
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "bnb-adamw8bit", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0
    }
    ```
    """
    from difflib import get_close_matches

    optimizer, known = plan.optimizer.name, key_table("simpletuner", "optimizers").keys
    name = optimizer.value
    if not plan.training or not optimizer.written or not isinstance(name, str) or name in known:
        return
    plain = name.lower().replace("_", "").replace("-", "")
    close = get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    better = NOW.get(plain) or (close[0] if close else "adamw_bf16")
    yield optimizer.finding(
        f"`{name}` is no optimiser of SimpleTuner {plan.config.table.version}: it stops at start",
        f"use `{better}`",
        optimizer.write(better, safe=False),
    )
