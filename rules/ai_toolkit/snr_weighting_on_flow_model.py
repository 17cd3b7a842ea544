from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Min-SNR weighting on a flow model.

    Why: `min_snr_gamma`, `snr_gamma` and `learnable_snr_gos` read the noise scheduler's `alphas_cumprod`. A flow
    scheduler has none: an AttributeError at the first step, after caching.
    Instead: remove it; on flow models `timestep_type: weighted` is the counterpart.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/train_tools.py (`get_all_snr`),
    extensions_built_in/sd_trainer/SDTrainer.py (`calculate_loss`), https://github.com/ostris/ai-toolkit

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
            min_snr_gamma: 5.0
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
            noise_scheduler: ddpm
            min_snr_gamma: 5.0
          model:
            arch: sdxl
            name_or_path: stabilityai/stable-diffusion-xl-base-1.0
    ```
    """
    if (
        not plan.training
        or plan.timesteps.prediction.value != "flow"
        or plan.get("train.noise_scheduler").value != "flowmatch"
    ):
        return
    for key in ("train.min_snr_gamma", "train.snr_gamma", "train.learnable_snr_gos"):
        setting = plan.get(key)
        if setting.written and setting.value:
            yield setting.finding(
                "a flow scheduler has no signal-to-noise table: the run stops at its first step, after caching",
                "remove it",
                setting.remove(),
            )
