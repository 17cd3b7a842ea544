from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A masked prior without a mask.

    Why: `inverted_mask_prior` keeps the area outside the mask as the model had it. Without `mask_path` or
    `alpha_mask` on a dataset there is no mask, and it does nothing.
    Instead: set `mask_path` on the dataset.
    Sources: ostris/ai-toolkit@27a03a91 extensions_built_in/sd_trainer/SDTrainer.py (`batch.mask_tensor is not
    None`), https://github.com/ostris/ai-toolkit

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          datasets:
            - folder_path: data
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
            inverted_mask_prior: true
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
              mask_path: masks
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
            inverted_mask_prior: true
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    prior = plan.get("train.inverted_mask_prior")
    masked = any(data.masks.value or data.get("alpha_mask").value for data in plan.datasets)
    if plan.training and prior.value is True and plan.datasets and not masked:
        yield prior.finding(
            "no dataset has a mask: this does nothing", "set `mask_path` on the dataset", prior.remove(safe=False)
        )
