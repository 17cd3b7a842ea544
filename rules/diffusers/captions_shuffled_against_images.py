from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

SCRIPTS = (
    "train_dreambooth_lora_sana.py",
    "train_dreambooth_lora_flux.py",
    "train_dreambooth_lora_flux_advanced.py",
    "train_dreambooth_lora_sdxl_advanced.py",
    "train_dreambooth_lora_sd15_advanced.py",
    "train_dreambooth_lora_sd3.py",
    "train_dreambooth_lora_lumina2.py",
)


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""Cached latents meet the captions of other images.

    Why: the script fills its latent cache in one shuffled pass and reads it by the step of the epoch, while the
    captions come from the batch, which is shuffled anew each epoch. Every image is trained with some other
    image's caption, without a message. With one instance prompt for all images it makes no difference.
    Instead: leave `--cache_latents` out, or train with one `--instance_prompt`. The scripts for FLUX.2 and Klein
    cache by image and are right; copies of the Klein script from before #13353 are not.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_sana.py line 1387;
    huggingface/diffusers#14430, https://github.com/huggingface/diffusers/issues/14430;
    huggingface/diffusers#12124, https://github.com/huggingface/diffusers/issues/12124

    ```shell diffusers flagged
    accelerate launch train_dreambooth_lora_sana.py \
      --pretrained_model_name_or_path=Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers \
      --dataset_name=me/rings \
      --output_dir=out \
      --instance_prompt="a photo of zwx ring" \
      --resolution=1024 \
      --rank=16 \
      --lora_alpha=16 \
      --train_batch_size=1 \
      --max_train_steps=1000 \
      --checkpointing_steps=100 \
      --caption_column=text \
      --cache_latents
    ```
    ```shell diffusers clean
    accelerate launch train_dreambooth_lora_sana.py \
      --pretrained_model_name_or_path=Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers \
      --dataset_name=me/rings \
      --output_dir=out \
      --instance_prompt="a photo of zwx ring" \
      --resolution=1024 \
      --rank=16 \
      --lora_alpha=16 \
      --train_batch_size=1 \
      --max_train_steps=1000 \
      --checkpointing_steps=100 \
      --caption_column=text
    ```
    """
    captions = plan.get("caption_column")
    if plan.script not in SCRIPTS or not plan.cache_latents.value:
        return
    if not plan.config.has("caption_column") and not plan.config.open:
        note = plan.cache_latents.finding(
            "fine with one prompt for all images; with a caption per image (`--caption_column`), this script pairs "
            "cached latents with the wrong captions"
        )
        yield note._replace(level="note")
    if not captions.written or not any(data.caption_source.value == "column" for data in plan.datasets):
        return
    yield plan.cache_latents.finding(
        f"cached latents are read in another order than the captions of `{captions.value}`: each image is trained with "
        "the caption of another",
        "remove `--cache_latents`",
        plan.cache_latents.remove(safe=True),
    )
