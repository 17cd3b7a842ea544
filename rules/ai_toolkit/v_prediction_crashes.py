from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """v-prediction, which fails at the first step.

    Why: with `is_v_pred` the target is the velocity between the noise and the *image tensor* instead of its
    latents: the shapes do not fit, and with cached latents there is no image at all. The run stops at its first
    step.
    Instead: train v-prediction models with sd-scripts or OneTrainer.
    Sources: ostris/ai-toolkit@27a03a91 extensions_built_in/sd_trainer/SDTrainer.py (`get_velocity(batch.tensor,
    noise, timesteps)`, l. 625), https://github.com/ostris/ai-toolkit

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          train:
            lr: 1e-4
            noise_scheduler: ddpm
          model:
            arch: sdxl
            is_v_pred: true
            name_or_path: /models/noob-vpred.safetensors
    ```
    ```yaml ai-toolkit clean
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          train:
            lr: 1e-4
            noise_scheduler: ddpm
          model:
            arch: sdxl
            name_or_path: stabilityai/stable-diffusion-xl-base-1.0
    ```
    """
    flag = plan.get("model.is_v_pred")
    if plan.training and flag.value is True and plan.timesteps.prediction.value == "v":
        yield flag.finding(
            f"ai-toolkit {plan.config.table.version} takes the velocity of the image, not of its latents: the "
            "run stops at its first step",
            "train this model with sd-scripts or OneTrainer",
        )
