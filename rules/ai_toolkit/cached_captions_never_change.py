from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Caption augmentation with cached text embeddings.

    Why: `cache_text_embeddings` encodes each caption once. Token dropout is switched off by it; the one shuffle and
    the one choice of random triggers made while caching stay for the whole run.
    Instead: one or the other.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/dataloader_mixins.py (`get_caption`, `cache_text_embeddings`),
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
              token_dropout_rate: 0.1
          train:
            lr: 1e-4
            cache_text_embeddings: true
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
              token_dropout_rate: 0.1
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    for data in plan.datasets:
        if not plan.training or not (plan.cache_text.value or data.get("cache_text_embeddings").value):
            continue
        dropout, shuffle, triggers = data.get("token_dropout_rate"), data.shuffle_tags, data.get("random_triggers")
        if dropout.written and dropout.value:
            yield dropout.finding(
                "no token is dropped, because the text embeddings are cached", "remove it", dropout.remove(safe=False)
            )._replace(level="error")
        if shuffle.value is True:
            yield shuffle.finding("each caption is shuffled once, while caching: the order never changes again")
        if triggers.value:
            yield triggers.finding("the random triggers are drawn once, while caching: they never change again")
