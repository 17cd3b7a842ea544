from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A random crop that is drawn once.

    Why: with buckets, which are on unless switched off, each image's crop is drawn when the buckets are made,
    before the first epoch, and kept: `random_crop` only moves it away from the centre for good. `random_scale` is
    not looked at.
    Instead: leave both out; the centre crop keeps the subject.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/dataloader_mixins.py (`setup_buckets` returns after the first
    epoch), https://github.com/ostris/ai-toolkit

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          datasets:
            - folder_path: data
              random_crop: true
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
              random_crop: true
              buckets: false
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    for data in plan.datasets if plan.training else ():
        crop, scale = data.get("random_crop"), data.get("random_scale")
        if data.buckets.value is False:
            continue
        if crop.value is True and data.get("square_crop").value is not True:
            yield crop.finding(
                "each image's crop is drawn once, and stays off centre for the whole run",
                "remove it",
                crop.remove(safe=False),
            )
        if scale.value is True:
            yield scale.finding("with buckets this has no effect", "remove it", scale.remove())._replace(level="error")
