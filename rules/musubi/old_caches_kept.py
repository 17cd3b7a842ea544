from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""Caches that exist are not made again.

    Why: training reads only caches, and `--skip_existing` keeps one whenever a file of its name exists: an edited
    caption, a retouched image or another resolution is not noticed. `--keep_cache` leaves the caches of deleted images,
    and they are trained on.
    Instead: drop the flag once after changing images, captions or the resolution.
    Sources: kohya-ss/musubi-tuner@30c658c cache_latents.py `encode_datasets`, cache_text_encoder_outputs.py,
    dataset/image_video_dataset.py; kohya-ss/musubi-tuner#906, https://github.com/kohya-ss/musubi-tuner/issues/906

    ```shell musubi-tuner flagged
    python src/musubi_tuner/flux_2_cache_text_encoder_outputs.py --dataset_config dataset.toml \
      --text_encoder models/qwen_3_8b.safetensors --model_version klein-base-9b --skip_existing
    ```
    ```shell musubi-tuner clean
    python src/musubi_tuner/flux_2_cache_text_encoder_outputs.py --dataset_config dataset.toml \
      --text_encoder models/qwen_3_8b.safetensors --model_version klein-base-9b
    ```
    """
    if plan.kind != "caching":
        return
    skip, keep = plan.get("skip_existing"), plan.get("keep_cache")
    if skip.value is True:
        yield skip.finding(
            "`--skip_existing` keeps every cache there is, whatever changed in its image, caption or resolution",
            "leave it out once after a change",
        )
    if keep.value is True:
        yield keep.finding(
            "`--keep_cache` leaves the caches of removed images, and training takes every cache in the folder",
            "leave it out once after removing images",
        )
