from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """The text encoder is unloaded without caching the captions.

    Why: `unload_text_encoder` encodes one prompt, the trigger word or nothing, and trains every image with it:
    caption files, `default_caption` and caption dropout are never read. The log says so in one line before
    training.
    Instead: `cache_text_embeddings: true`, which also frees the memory and keeps the captions; or leave it, when
    the trigger alone is meant.
    Sources: ostris/ai-toolkit@27a03a91 extensions_built_in/sd_trainer/SDTrainer.py (`hook_before_train_loop`,
    `train_single_accumulation`), https://github.com/ostris/ai-toolkit

    ```files
    data/a.jpg
    data/a.txt: zwx, a ring on slate
    ```
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
            unload_text_encoder: true
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    ```files
    data/a.jpg
    data/a.txt: zwx, a ring on slate
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
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
            unload_text_encoder: true
            cache_text_embeddings: true
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    ```files
    data/a.jpg
    ```
    ```yaml ai-toolkit clean
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          trigger_word: zwx
          datasets:
            - folder_path: data
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
            unload_text_encoder: true
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    unload = plan.get("train.unload_text_encoder")
    cached = plan.get("train.cache_text_embeddings").value or any(
        d.get("cache_text_embeddings").value for d in plan.datasets
    )
    adapter = isinstance(plan.get("adapter").value, dict)  # trained on images, not on text
    if not plan.training or unload.value is not True or cached or adapter:
        return
    listings = [(data.listing, data.caption_extension.value) for data in plan.datasets]
    found = sum(len(names.captioned(ending)) for names, ending in listings if names is not None and ending)
    default = any(data.get("default_caption").value for data in plan.datasets)
    if not found and not default and all(names is not None for names, _ in listings):
        return
    used = f"the trigger `{plan.trigger.value}`" if plan.trigger.value else "an empty prompt"
    what = f"{found} caption files are" if found else "`default_caption` is" if default else "captions are"
    finding = unload.finding(
        f"{what} not read: every image is trained with {used}",
        "set `cache_text_embeddings` instead",
        unload.write(False, safe=False),
    )
    yield finding._replace(level="error") if found or default else finding
