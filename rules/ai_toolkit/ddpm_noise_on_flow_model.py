from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

OLD_LOADER = ("flux1", "flex", "sd3", "lumina", "auraflow")  # these take the scheduler the config names
SHIFTED = ("flux2-klein", "flux2-dev", "chroma", "qwen-image", "ltx", "krea2", "cogview", "f-lite")
OWN_SCHEDULER = ("flux_kontext", "flex2")


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A flow model trained with a DDPM noise scheduler.

    Why: `train.noise_scheduler` is `ddpm` unless set. FLUX.1, SD3 and Lumina are then noised by DDPM and asked for
    a flow, and learn nothing usable; FLUX.2, Chroma and Qwen-Image bring their own scheduler, whose timesteps can't
    be set without the shift, so training stops at its first step, after caching; the others lose `timestep_type`.
    Instead: `noise_scheduler: flowmatch` for every model but SD 1.x, 2.x, SDXL and PixArt.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/config_modules.py (TrainConfig), jobs/process/BaseSDTrainProcess.py
    (`get_train_scheduler`, `process_general_training_batch`),
    extensions_built_in/diffusion_models/flux2/flux2_model.py, https://github.com/ostris/ai-toolkit

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
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
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
            noise_scheduler: ddpm
          model:
            arch: flux
            name_or_path: black-forest-labs/FLUX.1-dev
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
          train:
            steps: 2000
            lr: 1e-4
            noise_scheduler: ddpm
          model:
            arch: sdxl
            name_or_path: stabilityai/stable-diffusion-xl-base-1.0
    ```
    """
    scheduler, family = plan.get("train.noise_scheduler"), plan.model.declared.family
    if (
        not plan.training
        or plan.timesteps.prediction.value != "flow"
        or scheduler.value in ("flowmatch", "mean_flow", None)
    ):
        return
    arch = str(plan.get("model.arch").value).partition(":")[0]
    said = f"`{scheduler.value}`" if scheduler.written else f"no noise scheduler is set: `{scheduler.value}`"
    own = arch in OWN_SCHEDULER
    if family in OLD_LOADER and not own:
        fate = "it is noised by one rule and asked for another, and learns nothing usable"
    elif family in SHIFTED or own:
        fate = "training stops at its first step, after caching"
    else:
        fate = "`timestep_type` is not used"
    level = None if family in OLD_LOADER or family in SHIFTED or own else "warning"
    finding = scheduler.finding(
        f"{said} on a flow model: {fate}", "set it to `flowmatch`", scheduler.write("flowmatch")
    )
    yield finding._replace(level=level)
