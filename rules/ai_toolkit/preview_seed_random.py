import re
from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

SAMPLE_SEED = re.compile(r"sample\.samples\.\d+\.seed")


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Previews from a random seed.

    Why: a seed of -1 is drawn anew at every sampling, so two previews differ by their noise as well as by the
    training between them.
    Instead: a fixed seed; `walk_seed: true` is fine, it counts up within one round only.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/config_modules.py (GenerateImageConfig),
    jobs/process/BaseSDTrainProcess.py (`sample`), https://github.com/ostris/ai-toolkit

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
            seed: -1
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
            seed: 42
            walk_seed: true
            prompts:
              - a ring on slate
    ```
    """
    seeds = [plan.get("sample.seed")]
    seeds += [setting for key, setting in plan.config.written() if SAMPLE_SEED.fullmatch(key)]
    for seed in seeds if plan.training and plan.validation.prompts.value else ():
        if seed.value == -1:
            yield seed.finding(
                "-1 draws another seed at every sampling: previews can't be compared",
                "use a fixed seed",
                seed.write(42, safe=False),
            )
