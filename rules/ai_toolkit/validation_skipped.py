from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A validation without images.

    Why: items without an `image_path`, and paths that do not exist, are left out in one line of the log. With none
    left, no validation loss is ever computed.
    Instead: give each item the path of an image that is not trained on, and its caption.
    Sources: ostris/ai-toolkit@27a03a91 jobs/process/BaseSDTrainProcess.py (`setup_validation`),
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
            noise_scheduler: flowmatch
            validation_config:
              validate_every_n_steps: 50
              validation_items:
                - prompt: a ring on slate
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
            noise_scheduler: flowmatch
            validation_config:
              validate_every_n_steps: 50
              validation_items:
                - image_path: held_out/1.jpg
                  prompt: a ring on slate
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    config, items = plan.get("train.validation_config"), plan.validation.held_out.value
    if plan.training and isinstance(config.value, dict):
        listed = items if isinstance(items, list) else []
        if not any(isinstance(item, dict) and item.get("image_path") for item in listed):
            yield config.finding("no item has an `image_path`: no validation loss is computed", "set `image_path`")
