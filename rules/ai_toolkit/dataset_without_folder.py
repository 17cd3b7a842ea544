from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

TRAINERS = ("sd_trainer", "diffusion_trainer", "ui_trainer", "textual_inversion_trainer")


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """No folder to train on.

    Why: a dataset entry without `folder_path` or `dataset_path` is a TypeError after the model is loaded, and so is
    a job without datasets, or one with regularisation sets only, at its first step.
    Instead: give every entry a `folder_path`, and at least one entry that is no regularisation.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/data_loader.py (AiToolkitDataset),
    jobs/process/BaseSDTrainProcess.py (train loop), https://github.com/ostris/ai-toolkit

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          datasets:
            - caption_ext: txt
              resolution: 1024
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
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
          datasets:
            - folder_path: data
              resolution: 1024
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    if not plan.training:
        return
    for data in plan.datasets:
        if not data.get("folder_path").value and not data.get("dataset_path").value:
            entry = plan.get(data.prefix)
            yield data.get("folder_path").finding(
                f"`{entry.key}` has no `folder_path`: the run stops after loading the model", "set `folder_path`"
            )
    if plan.get("type").value in TRAINERS and all(data.regularisation.value is True for data in plan.datasets):
        setting = plan.get("datasets")
        what = "all datasets are regularisation sets" if plan.datasets else "there are no datasets"
        yield setting.finding(f"{what}: the run stops at its first step", "add a dataset")
