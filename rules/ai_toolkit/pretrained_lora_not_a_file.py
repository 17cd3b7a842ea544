from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """The LoRA to start from is an address, not a file.

    Why: `pretrained_lora_path` is used if such a file exists on disk. A URL never does: one line of the log says
    so, and training starts from nothing.
    Instead: download the file and name its path.
    Sources: ostris/ai-toolkit@27a03a91 jobs/process/BaseSDTrainProcess.py (`get_latest_save_path`),
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
            linear: 32
            pretrained_lora_path: https://huggingface.co/someone/zwx/resolve/main/zwx.safetensors
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
          network:
            type: lora
            linear: 32
            pretrained_lora_path: loras/zwx.safetensors
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    path = plan.network.weights
    if plan.training and isinstance(path.value, str) and path.value.startswith(("http://", "https://", "hf://")):
        yield path.finding(
            "only a file on disk is loaded: the run starts from nothing", "download it and write its path"
        )
