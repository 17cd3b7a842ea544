from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A rank for a full-rank LoKr.

    Why: `lokr_full_rank` is on unless it is switched off: the two factors are then whole matrices, and neither
    `linear` nor `linear_alpha` is used. The size of the file is set by `lokr_factor` alone.
    Instead: `lokr_full_rank: false` to use the rank; else choose `lokr_factor` (4, 8 or 16; larger is smaller).
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
            type: lokr
            linear: 16
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
            type: lokr
            linear: 16
            linear_alpha: 16
            lokr_full_rank: false
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    rank = plan.get("network.rank") if plan.config.has("network.rank") else plan.get("network.linear")
    full = plan.get("network.lokr_full_rank")
    if (
        plan.training
        and plan.network.kind.value == "lokr"
        and rank.written
        and full.value is not False
        and not full.written
    ):
        yield rank.finding(
            f"the rank {rank.value} is not used: a LoKr is of full rank unless `lokr_full_rank` is false",
            "set `lokr_full_rank: false`, or choose `lokr_factor`",
        )
