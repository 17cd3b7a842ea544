from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Nothing says LoRA, and this trainer then trains the whole model.

    Why: SimpleTuner's `model_type` is `full` and OneTrainer's `training_method` FINE_TUNE unless told otherwise, and
    diffusion-pipe trains everything when `[adapter]` is missing: out of memory on most cards, or a checkpoint of the
    model's size instead of a LoRA.
    Instead: set the key if a LoRA is meant; write the full fine-tune out if that is meant.
    Sources: bghira/SimpleTuner@bc8e6ab7 field registry; Nerogar/OneTrainer@23df3832 TrainConfig;
    tdrussell/diffusion-pipe@8f83dbf train.py

    ```json SimpleTuner flagged
    {
      "model_family": "flux2",
      "model_flavour": "klein-9b",
      "output_dir": "out",
      "optimizer": "adamw_bf16",
      "data_backend_config": "multidatabackend.json",
      "learning_rate": 1e-4,
      "max_train_steps": 2000,
      "num_train_epochs": 0
    }
    ```
    ```json SimpleTuner clean
    {
      "model_family": "flux2",
      "model_flavour": "klein-9b",
      "model_type": "lora",
      "output_dir": "out",
      "optimizer": "adamw_bf16",
      "data_backend_config": "multidatabackend.json",
      "learning_rate": 1e-4,
      "max_train_steps": 2000,
      "num_train_epochs": 0
    }
    ```
    """
    kind = plan.network.kind
    if plan.training and kind.value == "full" and kind.origin == "default" and kind.place is not None:
        yield kind.finding(
            f"`{kind.key}` is not set: {plan.trainer} trains the whole model, not a LoRA",
            f"set `{kind.key}` if a LoRA is meant",
        )
