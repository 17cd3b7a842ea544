from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

IMAGE = (
    "enable_random_flip", "enable_random_rotate", "enable_random_brightness", "enable_random_contrast",
    "enable_random_saturation", "enable_random_hue", "enable_random_circular_mask_shrink",
    "enable_random_mask_rotate_crop",
)  # fmt: skip
TEXT = ("enable_tag_shuffling", "tag_dropout_enable", "caps_randomize_enable")


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """An augmentation that happens once, because its result is cached.

    Why: latents and text states are cached as often as `image_variations` and `text_variations` say, once by default. A
    random flip is then drawn once per image for the whole run, and tags are shuffled or dropped once.
    Instead: raise the variations (10 shuffles need `text_variations` 10), or switch the caching off.
    Sources: Nerogar/OneTrainer@23df3832 modules/dataLoader/mixin/DataLoaderText2ImageMixin.py
    `_cache_modules_from_names`; Nerogar/mgds DiskCache.py, https://github.com/Nerogar/OneTrainer

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
      "concepts": [{"name": "zwx", "path": "data", "image": {"enable_random_flip": true}}]
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
      "concepts": [
        {"name": "zwx", "path": "data", "image_variations": 4, "image": {"enable_random_flip": true}}
      ]
    }
    ```
    """
    for data in plan.datasets if plan.training else ():
        for part, keys, cached in (("image", IMAGE, plan.cache_latents.value), ("text", TEXT, plan.cache_text.value)):
            variations = data.get(f"{part}_variations")
            if variations.value != 1 or cached is not True:
                continue
            for key in keys:
                setting = data.get(f"{part}.{key}")
                if setting.value is True:
                    yield setting.finding(
                        f"`{key}` is drawn once per image and then cached: `{part}_variations` is 1",
                        f"raise `{part}_variations`",
                        variations.write(4, safe=False),
                    )
