from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """The optimiser `dadaptationadam` is D-Adapted Lion.

    Why: both `dadaptationlion` and `dadaptationadam` build DAdaptLion; only the plain `dadaptation`, which the log
    calls deprecated, builds DAdaptAdam. Lion moves every weight by the same amount and needs other settings.
    Instead: `dadaptation`, or `prodigy`, which came after it.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/optimizer.py, https://github.com/ostris/ai-toolkit

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          train:
            lr: 1.0
            optimizer: dadaptationadam
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
            lr: 1.0
            optimizer: dadaptation
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    setting = plan.get("train.optimizer")
    name = str(setting.value).lower()
    if plan.training and name.startswith("dadaptation") and name.endswith("adam"):
        yield setting.finding(
            f"`{setting.value}` builds DAdaptLion, not DAdaptAdam",
            "set it to `dadaptation`",
            setting.write("dadaptation"),
        )
