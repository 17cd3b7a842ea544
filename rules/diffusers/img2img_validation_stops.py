from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""A validation prompt stops this img2img script.

    Why: with a validation prompt the Klein script loads `--validation_image`, which has no default; the
    FLUX.2-dev script reads `args.validation_image_path`, which no flag sets, so every run with a validation
    prompt ends in an AttributeError. Both happen after the model is loaded.
    Instead: add `--validation_image`; with the FLUX.2-dev script leave the validation prompt out.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_flux2_klein_img2img.py line
    1493, train_dreambooth_lora_flux2_img2img.py lines 366 and 1542

    ```shell diffusers flagged
    accelerate launch train_dreambooth_lora_flux2_klein_img2img.py \
      --pretrained_model_name_or_path=black-forest-labs/FLUX.2-klein-base-4B \
      --dataset_name=me/pairs \
      --output_dir=out \
      --instance_prompt="a photo of zwx dog" \
      --resolution=1024 \
      --rank=16 \
      --lora_alpha=16 \
      --train_batch_size=1 \
      --max_train_steps=1000 \
      --checkpointing_steps=100 \
      --cond_image_column=source \
      --caption_column=prompt \
      --validation_prompt="a photo of zwx dog"
    ```
    ```shell diffusers clean
    accelerate launch train_dreambooth_lora_flux2_klein_img2img.py \
      --pretrained_model_name_or_path=black-forest-labs/FLUX.2-klein-base-4B \
      --dataset_name=me/pairs \
      --output_dir=out \
      --instance_prompt="a photo of zwx dog" \
      --resolution=1024 \
      --rank=16 \
      --lora_alpha=16 \
      --train_batch_size=1 \
      --max_train_steps=1000 \
      --checkpointing_steps=100 \
      --cond_image_column=source \
      --caption_column=prompt \
      --validation_prompt="a photo of zwx dog" \
      --validation_image=dog.png
    ```
    """
    prompt = plan.get("validation_prompt")
    if not prompt.written or plan.config.open:
        return
    if plan.script == "train_dreambooth_lora_flux2_img2img.py":
        yield prompt.finding(
            "this script reads `args.validation_image_path`, which no flag sets: with a validation prompt it stops "
            "with an AttributeError",
            "remove `--validation_prompt`",
            prompt.remove(safe=False),
        )
    elif plan.script == "train_dreambooth_lora_flux2_klein_img2img.py" and not plan.config.has("validation_image"):
        yield prompt.finding(
            "a validation prompt without `--validation_image`: the script stops when it loads the image",
            "set `--validation_image`",
        )
