from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

FLAGS = ("is_xl", "is_v2", "is_pixart", "is_pixart_sigma", "is_ssd", "is_vega")


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A Stable Diffusion model trained with the flow scheduler.

    Why: SD 1.x, SDXL and PixArt predict the noise. With `noise_scheduler: flowmatch` they are asked for the flow
    from image to noise instead: the LoRA unlearns what the model does and fits no ordinary checkpoint.
    Instead: `noise_scheduler: ddpm`. Right only for a checkpoint that was itself retrained as a flow model.
    Sources: ostris/ai-toolkit@27a03a91 jobs/process/BaseSDTrainProcess.py, toolkit/stable_diffusion_model.py
    (`is_flow_matching`), ui/src/app/jobs/new/options.tsx (SDXL: ddpm), https://github.com/ostris/ai-toolkit

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          train:
            steps: 2000
            lr: 1e-4
            noise_scheduler: flowmatch
          model:
            arch: sdxl
            name_or_path: stabilityai/stable-diffusion-xl-base-1.0
    ```
    ```yaml ai-toolkit clean
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          train:
            steps: 2000
            lr: 1e-4
            noise_scheduler: ddpm
          model:
            arch: sdxl
            name_or_path: stabilityai/stable-diffusion-xl-base-1.0
    ```
    """
    scheduler, arch = plan.get("train.noise_scheduler"), plan.get("model.arch")
    known = arch.written or any(plan.get(f"model.{flag}").value is True for flag in FLAGS)
    if not plan.training or not known or scheduler.value != "flowmatch" or plan.model.variant == "rectified-flow":
        return
    if plan.timesteps.prediction.value in ("epsilon", "v"):
        yield scheduler.finding(
            "`flowmatch` on a model that predicts noise: the LoRA fits no ordinary checkpoint of it",
            "set it to `ddpm`, unless this checkpoint is a flow model",
            scheduler.write("ddpm", safe=False),
        )
