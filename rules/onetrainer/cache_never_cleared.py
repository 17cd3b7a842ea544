from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="reported")
def check(plan: Plan) -> Iterator[Finding]:
    """The cache of the last run is kept.

    Why: it is keyed by the concept's settings, not by its files: changed captions, retouched images or another base
    resolution may go unnoticed.
    Instead: leave `clear_cache_before_training` on after changing the dataset.
    Sources: Nerogar/OneTrainer@23df3832 modules/dataLoader/mixin/DataLoaderText2ImageMixin.py; Nerogar/OneTrainer#175
    and PR #1134, https://github.com/Nerogar/OneTrainer/pull/1134

    ```json OneTrainer flagged
    {
      "__version": 11,
      "training_method": "LORA",
      "model_type": "FLUX_2",
      "base_model_name": "black-forest-labs/FLUX.2-klein-base-9B",
      "output_model_format": "DIFFUSERS_LORA",
      "learning_rate": 1e-4,
      "lora_rank": 16,
      "lora_alpha": 16,
      "epochs": 60,
      "clear_cache_before_training": false
    }
    ```
    ```json OneTrainer clean
    {
      "__version": 11,
      "training_method": "LORA",
      "model_type": "FLUX_2",
      "base_model_name": "black-forest-labs/FLUX.2-klein-base-9B",
      "output_model_format": "DIFFUSERS_LORA",
      "learning_rate": 1e-4,
      "lora_rank": 16,
      "lora_alpha": 16,
      "epochs": 60,
      "clear_cache_before_training": true
    }
    ```
    """
    clear, caching = plan.get("clear_cache_before_training"), plan.cache_latents.value
    if plan.training and clear.value is False and caching is True:
        yield clear.finding(
            "the cache is kept: changed captions, images or resolutions may not be noticed",
            "clear it once after a change",
        )
