from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A separate learning rate for the UNet or the text encoder.

    Why: `unet_lr` and `text_encoder_lr` are read and never used: every network gets `train.lr` for both parts.
    Instead: set `train.lr`; one rate serves both.
    Sources: ostris/ai-toolkit@27a03a91 jobs/process/BaseSDTrainProcess.py (`text_encoder_lr:
    self.train_config.lr`), https://github.com/ostris/ai-toolkit

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          train:
            lr: 1e-4
            train_text_encoder: true
            text_encoder_lr: 5e-5
          model:
            arch: sdxl
            name_or_path: stabilityai/stable-diffusion-xl-base-1.0
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
            train_text_encoder: true
          model:
            arch: sdxl
            name_or_path: stabilityai/stable-diffusion-xl-base-1.0
    ```
    """
    for key in ("train.unet_lr", "train.text_encoder_lr"):
        setting = plan.get(key)
        if plan.training and setting.written and setting.value not in (None, plan.get("train.lr").value):
            rate = plan.get("train.lr").value
            yield setting.finding(
                f"this rate is never used: `train.lr` ({rate:g}) counts for all"
                if isinstance(rate, (int, float))
                else "this rate is never used: `train.lr` counts for all",
                "remove it",
                setting.remove(),
            )
