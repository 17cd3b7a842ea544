from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

KEYS = ("lora_rank", "lora_alpha", "lora_type", "lycoris_config", "flux_lora_target", "init_lora")


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """LoRA settings beside `model_type: full`.

    Why: with `full` every weight of the model is trained; rank, alpha and LyCORIS file are not read, and the run needs
    many times the memory.
    Instead: `"model_type": "lora"`, or remove the LoRA settings.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/training/trainer.py line 3329

    ```json SimpleTuner flagged
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "full", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "lora_rank": 32
    }
    ```
    ```json SimpleTuner clean
    {
      "model_family": "flux2", "model_flavour": "klein-4b", "model_type": "lora", "output_dir": "output/zwx",
      "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16", "learning_rate": 0.0001,
      "max_train_steps": 2000, "num_train_epochs": 0, "lora_rank": 32
    }
    ```
    """
    kind = plan.get("model_type")
    written = [key for key in KEYS if plan.get(key).written]
    if plan.training and kind.value == "full" and written:
        names = ", ".join(f"`{key}`" for key in written)
        yield kind.finding(
            f"`model_type: full` trains the whole model: {names} not read",
            "set `model_type` to `lora`",
            kind.write("lora", safe=False),
        )
