from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A regularisation set takes every second step.

    Why: every even step takes a batch from the `is_reg` datasets, however many images they have and whatever their
    repeats: the subject is seen in half of `steps`.
    Instead: double `steps`; weigh the regularisation with `train.reg_weight`.
    Sources: ostris/ai-toolkit@27a03a91 jobs/process/BaseSDTrainProcess.py (train loop),
    https://github.com/ostris/ai-toolkit

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          datasets:
            - folder_path: data
            - folder_path: people
              is_reg: true
          train:
            lr: 1e-4
            steps: 2000
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
          datasets:
            - folder_path: data
            - folder_path: people
          train:
            lr: 1e-4
            steps: 2000
          model:
            arch: sdxl
            name_or_path: stabilityai/stable-diffusion-xl-base-1.0
    ```
    """
    regular = [data.regularisation for data in plan.datasets if data.regularisation.value is True]
    if plan.training and regular and len(regular) < len(plan.datasets):
        yield regular[0].finding(
            "every second step is a regularisation batch: the subject is trained in half of the steps"
        )
