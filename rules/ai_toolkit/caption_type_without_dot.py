from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """The older `caption_type` without its dot.

    Why: `caption_ext` gets its dot added; the older `caption_type` overrules it and does not. `caption_type: txt`
    looks for `imagetxt`, finds none, and every image is trained with an empty caption.
    Instead: `caption_ext: txt`.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/config_modules.py (DatasetConfig, `legacy_caption_type`),
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
              caption_type: txt
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
              caption_ext: txt
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    for data in plan.datasets if plan.training else ():
        older = data.get("caption_type")
        if isinstance(older.value, str) and older.value and not older.value.startswith(".") and data.listing is None:
            yield older.finding(
                f"`caption_type` gets no dot: captions are looked for as `image{older.value}` and none is found",
                "call it `caption_ext`",
                older.call("caption_ext"),
            )
