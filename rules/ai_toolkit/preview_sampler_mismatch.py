from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

OLD_LOADER = ("flux1", "flex", "sd3", "lumina")


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Previews of a flow model with a DDPM sampler.

    Why: `sample.sampler` is `ddpm` unless set. The preview pipelines of FLUX.1 and Lumina hand that scheduler
    sigmas it does not take, so the run stops at the baseline previews, before its first step; SD3 draws noise.
    Instead: `sampler: flowmatch`. Models with a class of their own, as FLUX.2, do not look at it.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/stable_diffusion_model.py (`generate_images`), toolkit/sampler.py,
    https://github.com/ostris/ai-toolkit

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
          model:
            arch: flux
            name_or_path: black-forest-labs/FLUX.1-dev
          sample:
            width: 1024
            height: 1024
            prompts:
              - a ring on slate
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
            noise_scheduler: flowmatch
          model:
            arch: flux
            name_or_path: black-forest-labs/FLUX.1-dev
          sample:
            sampler: flowmatch
            width: 1024
            height: 1024
            prompts:
              - a ring on slate
    ```
    """
    sampler, arch = plan.get("sample.sampler"), str(plan.get("model.arch").value).partition(":")[0]
    old = plan.model.declared.family in OLD_LOADER and arch not in ("flux_kontext", "flex2")
    if plan.training and old and sampler.value in ("ddpm", "ddim", "pndm") and plan.validation.prompts.value:
        said = f"`{sampler.value}`" if sampler.written else f"no sampler is set: `{sampler.value}`"
        fate = "they show noise" if plan.model.declared.family == "sd3" else "the run stops at the first ones"
        yield sampler.finding(
            f"{said} can't draw previews of a flow model: " + fate,
            "set it to `flowmatch`",
            sampler.write("flowmatch"),
        )
