import re
from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A device that is not used.

    Why: the trainer takes accelerate's device, which is the first GPU it can see: `device: cuda:1` still trains on
    `cuda:0`.
    Instead: start it with `CUDA_VISIBLE_DEVICES=1`.
    Sources: ostris/ai-toolkit@27a03a91 jobs/process/BaseSDTrainProcess.py (`self.device =
    str(self.accelerator.device)`), https://github.com/ostris/ai-toolkit

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          device: cuda:1
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
          device: cuda:0
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    device = plan.get("device")
    if plan.training and isinstance(device.value, str) and re.fullmatch(r"cuda:[1-9]\d*", device.value.strip()):
        number = device.value.partition(":")[2]
        yield device.finding(
            f"`{device.value}` is not used: the first GPU that is visible is",
            f"start it with `CUDA_VISIBLE_DEVICES={number}`",
        )
