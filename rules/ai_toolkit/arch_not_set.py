from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """No architecture is named, so the model is taken for Stable Diffusion 1.

    Why: without `model.arch` and without one of the old `is_flux`, `is_xl`, `is_v3`... flags ai-toolkit takes `sd1`
    and hands the file to its Stable Diffusion loader. A flow scheduler beside it says that another model is meant.
    Instead: name it: `arch: flux2_klein_4b`, `flux`, `sdxl`, `qwen_image`...
    Sources: ostris/ai-toolkit@27a03a91 toolkit/config_modules.py (end of ModelConfig), toolkit/util/get_model.py,
    https://github.com/ostris/ai-toolkit

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
            name_or_path: /models/my-tune.safetensors
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
            arch: flux
            name_or_path: /models/my-tune.safetensors
    ```
    """
    arch, scheduler = plan.get("model.arch"), plan.get("train.noise_scheduler")
    flagged = any(setting.value is True for key, setting in plan.config.written() if key.startswith("model.is_"))
    if (
        plan.training
        and arch.value is None
        and not flagged
        and scheduler.value == "flowmatch"
        and plan.config.has("model")
    ):
        yield arch.finding(
            "no `arch` is set: the model is loaded as Stable Diffusion 1, which is no flow model", "set `model.arch`"
        )
