from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Nothing says LoRA, and this trainer then trains the whole model.

    Why: OneTrainer's `training_method` is FINE_TUNE unless told otherwise, and diffusion-pipe and ai-toolkit train
    everything when `[adapter]` or `network` is missing: out of memory on most cards, or a checkpoint of the model's
    size instead of a LoRA.
    Instead: set the key if a LoRA is meant; write the full fine-tune out if that is meant.
    Sources: Nerogar/OneTrainer@23df3832 TrainConfig;
    tdrussell/diffusion-pipe@8f83dbf train.py

    ```json OneTrainer flagged
    {
      "__version": 11,
      "model_type": "FLUX_2",
      "base_model_name": "black-forest-labs/FLUX.2-klein-base-9B",
      "output_model_destination": "models/zwx.safetensors",
      "learning_rate": 1e-4,
      "lora_rank": 16,
      "lora_alpha": 16.0
    }
    ```
    ```json OneTrainer clean
    {
      "__version": 11,
      "training_method": "LORA",
      "model_type": "FLUX_2",
      "base_model_name": "black-forest-labs/FLUX.2-klein-base-9B",
      "output_model_destination": "models/zwx.safetensors",
      "learning_rate": 1e-4,
      "lora_rank": 16,
      "lora_alpha": 16.0
    }
    ```
    """
    kind = plan.network.kind
    if plan.training and kind.value == "full" and kind.origin == "default" and kind.place is not None:
        yield kind.finding(
            f"`{kind.key}` is not set: {plan.trainer} trains the whole model, not a LoRA",
            f"set `{kind.key}` if a LoRA is meant",
        )
