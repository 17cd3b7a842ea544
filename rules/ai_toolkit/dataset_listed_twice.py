from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """The same dataset entry twice.

    Why: every entry of `datasets` is loaded for itself: two that are alike show their images twice as often as the
    others.
    Instead: remove one; use `num_repeats` for a weight that is meant.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/data_loader.py (`get_dataloader_from_datasets`),
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
              resolution: 1024
            - folder_path: data
              resolution: 1024
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
              resolution: 512
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
    seen: list[object] = []
    for data in plan.datasets:
        entry = plan.get(data.prefix)
        if plan.training and entry.value in seen and data.folder.place is not None:
            yield data.folder.finding(
                "this entry repeats an earlier one: its images are shown twice as often", "remove it"
            )
        seen.append(entry.value)
