from collections.abc import Iterator

from lora_doctor.models.families import FAMILIES
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Previews at 512 pixels of a model made for 1024.

    Why: sample images are 512 x 512 unless set. Models made for 1024 draw doubled or cropped subjects at that size,
    so the previews say little about the LoRA.
    Instead: `width: 1024` and `height: 1024` under `sample`.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/config_modules.py (SampleConfig),
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
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
          sample:
            sampler: flowmatch
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
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
          sample:
            sampler: flowmatch
            width: 1024
            height: 1024
            prompts:
              - a ring on slate
    ```
    """
    family, size = FAMILIES.get(plan.model.family or ""), plan.validation.size
    samples = plan.get("sample.samples").value
    own = isinstance(samples, list) and any(isinstance(item, dict) and "width" in item for item in samples)
    if plan.training and family and family.resolution >= 1024 and plan.validation.prompts.value and not own:
        if size.origin == "default":
            yield size.finding(
                f"previews are 512 x 512; {family.title} was made for {family.resolution}", "set `width` and `height`"
            )
