from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Neither the model nor the text encoder is trained.

    Why: with `train_unet: false` and `train_text_encoder: false` the network has no modules, and the run stops
    after loading the model: "There are not any lora modules in this network".
    Instead: `train_unet: true`; the name covers transformers too.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/lora_special.py, toolkit/network_mixins.py,
    https://github.com/ostris/ai-toolkit

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          network:
            type: lora
            linear: 16
          train:
            lr: 1e-4
            train_unet: false
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
          network:
            type: lora
            linear: 16
          train:
            lr: 1e-4
            train_unet: true
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    unet = plan.get("train.train_unet")
    network = isinstance(plan.get("network").value, dict)
    if plan.training and network and unet.value is False and plan.get("train.train_text_encoder").value is not True:
        yield unet.finding(
            "neither the model nor a text encoder is trained: the network is empty and the run stops",
            "set it to true",
            unet.write(True, safe=False),
        )
