from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Gradient clipping with Adafactor.

    Why: with `optimizer: adafactor` the gradients are not clipped, whatever `max_grad_norm` says; Adafactor clips
    its own update.
    Instead: remove it, or set `optimizer_params.clip_threshold`.
    Sources: ostris/ai-toolkit@27a03a91 extensions_built_in/sd_trainer/SDTrainer.py (`hook_train_loop`),
    https://github.com/ostris/ai-toolkit

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          train:
            lr: 1e-4
            optimizer: adafactor
            max_grad_norm: 0.5
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
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
            optimizer: adamw8bit
            max_grad_norm: 0.5
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    clip = plan.get("train.max_grad_norm")
    if plan.training and clip.written and clip.value is not None and plan.get("train.optimizer").value == "adafactor":
        yield clip.finding("gradients are not clipped with Adafactor: this has no effect", "remove it", clip.remove())
