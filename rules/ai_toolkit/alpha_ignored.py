from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """An alpha that this trainer sets to the rank.

    Why: for every transformer (FLUX, FLUX.2, SD3, Qwen-Image, Wan...) the network is made in PEFT's format, where
    ai-toolkit sets alpha to the rank and saves none: the scale is 1. Halving alpha does nothing, and a learning
    rate found with it elsewhere is too high here.
    Instead: write alpha equal to the rank, and steer with the learning rate.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/lora_special.py (l. 423-433), https://github.com/ostris/ai-toolkit

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
            linear_alpha: 16
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
            linear_alpha: 16
          train:
            lr: 1e-4
          model:
            arch: sdxl
            name_or_path: stabilityai/stable-diffusion-xl-base-1.0
    ```
    """
    alpha, rank, scale = plan.network.alpha, plan.network.rank.value, plan.network.scale
    if not plan.training or not isinstance(alpha.value, (int, float)) or not isinstance(rank, int) or rank < 1:
        return
    if alpha.written and scale == 1.0 and alpha.value != rank:
        yield alpha.finding(
            f"alpha {alpha.value:g} with rank {rank}: ai-toolkit sets alpha to the rank for transformers: the scale is "
            f"1, not {alpha.value / rank:.3g}",
            f"write {rank}, which is what is used",
            alpha.write(rank),
        )
