from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Augmentations switch the latent cache off.

    Why: images that change every time can't be cached: with `augments` or `augmentations` both cache keys are set
    to false, in one line of the log, and the VAE runs at every step.
    Instead: leave the cache keys out, or the augmentations.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/config_modules.py (DatasetConfig),
    https://github.com/ostris/ai-toolkit

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          datasets:
            - folder_path: data
              cache_latents_to_disk: true
              augmentations:
                - method: HorizontalFlip
          train:
            lr: 1e-4
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
          datasets:
            - folder_path: data
              cache_latents_to_disk: true
              flip_x: true
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    for data in plan.datasets if plan.training else ():
        augmented = data.get("augments").value or data.get("augmentations").value
        for key in ("cache_latents", "cache_latents_to_disk"):
            setting = data.get(key)
            if augmented and setting.value is True:
                yield setting.finding(
                    "augmentations switch this off: the VAE runs at every step", "remove one of the two"
                )
