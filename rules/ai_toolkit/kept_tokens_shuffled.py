from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`keep_tokens` with shuffled tokens.

    Why: `keep_tokens` protects the first tokens from `token_dropout_rate` only. `shuffle_tokens` shuffles them all,
    before and again after the trigger word is added: nothing keeps its place.
    Instead: `shuffle_tokens: false`, or live without a fixed order.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/dataloader_mixins.py (`get_caption`),
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
              shuffle_tokens: true
              keep_tokens: 1
          train:
            lr: 1e-4
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
              token_dropout_rate: 0.1
              keep_tokens: 1
          train:
            lr: 1e-4
          model:
            arch: sdxl
            name_or_path: stabilityai/stable-diffusion-xl-base-1.0
    ```
    """
    for data in plan.datasets:
        keep = data.get("keep_tokens")
        if plan.training and keep.written and keep.value and data.shuffle_tags.value is True:
            yield keep.finding(
                f"{keep.value} kept token{'s' * (keep.value != 1)}: they are shuffled with the rest, and kept from "
                "token dropout only",
                "set `shuffle_tokens: false`",
                data.shuffle_tags.write(False, safe=False),
            )
