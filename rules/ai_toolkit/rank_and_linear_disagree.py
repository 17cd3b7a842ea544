from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Two ranks that differ.

    Why: `rank` is the older name of `linear`. Where both stand, `rank` counts and `linear` is not looked at.
    Instead: keep one.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/config_modules.py (NetworkConfig),
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
            rank: 16
            linear: 64
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
            linear: 64
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    rank, linear = plan.get("network.rank"), plan.get("network.linear")
    if plan.training and rank.value is not None and linear.value is not None and rank.value != linear.value:
        yield linear.finding(
            f"`rank: {rank.value}` wins: `linear: {linear.value}` is not used", "remove one", linear.remove(safe=False)
        )
