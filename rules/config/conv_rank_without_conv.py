from collections.abc import Iterator

from lora_doctor.models.families import FAMILIES
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="reproduced")
def check(plan: Plan) -> Iterator[Finding]:
    """A rank for convolutions in a model that has none.

    Why: FLUX.1 and FLUX.2 have no Conv2d at all, so `conv` and `conv_alpha` (the 64/32 of a much-copied Klein recipe)
    find nothing to adapt. The run trains as if they were not written.
    Instead: remove them, or know that they do nothing.
    Sources: module tables measured on the real architectures (diffusers 0.42.1: 0 Conv2d in Klein);
    ostris/ai-toolkit@27a03a91 ui/src/app/jobs/new/options.tsx (`disableSections: ['network.conv']` for Klein)

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: sd_trainer
          training_folder: out
          network: {type: lora, linear: 32, linear_alpha: 32, conv: 16, conv_alpha: 16}
          datasets:
            - folder_path: data/zwx
              resolution: 1024
          train: {steps: 2000, lr: 1e-4, noise_scheduler: flowmatch, dtype: bf16, optimizer: adamw8bit}
          model: {name_or_path: black-forest-labs/FLUX.2-klein-base-9B, arch: flux2_klein_9b}
    ```
    ```yaml ai-toolkit clean
    job: extension
    config:
      name: zwx
      process:
        - type: sd_trainer
          training_folder: out
          network: {type: lora, linear: 32, linear_alpha: 32}
          datasets:
            - folder_path: data/zwx
              resolution: 1024
          train: {steps: 2000, lr: 1e-4, noise_scheduler: flowmatch, dtype: bf16, optimizer: adamw8bit}
          model: {name_or_path: black-forest-labs/FLUX.2-klein-base-9B, arch: flux2_klein_9b}
    ```
    """
    family = FAMILIES.get(plan.model.family or "")
    conv = plan.network.conv_rank
    if plan.training and conv.written and conv.value and family is not None and not family.conv_targets:
        yield conv.finding(
            f"a convolution rank of {conv.value}, but {family.title} has no convolution: it trains nothing",
            "remove it",
            conv.remove(),
        )
