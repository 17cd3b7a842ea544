from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

SCRIPTS = ("train_dreambooth_lora_flux2_klein_img2img.py", "train_dreambooth_lora_flux2_img2img.py")


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""Image-to-image training without control images.

    Why: the img2img scripts take their pairs from the columns of a dataset: without `--cond_image_column` or
    `--caption_column` they stop at start, and with `--instance_data_dir` there are no control images, so they
    stop with a KeyError after the model is loaded.
    Instead: give `--dataset_name` (a local folder with `metadata.jsonl` will do), `--cond_image_column` and
    `--caption_column`.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_flux2_klein_img2img.py lines
    718-725, 835 and 1693

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
      --caption_column=prompt
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
      --caption_column=prompt
    ```
    """
    if "cond_image_column" not in plan.config.table.keys or plan.script not in SCRIPTS or plan.config.open:
        return
    folder = plan.get("instance_data_dir")
    if folder.written:
        yield folder.finding(
            "`--instance_data_dir` gives no control images: the script stops with a KeyError at its first step",
            "pass the pairs as a dataset with `--dataset_name`",
        )
    for key in ("cond_image_column", "caption_column"):
        setting = plan.get(key)
        if not plan.config.has(key):
            yield setting.finding(f"`--{key}` is missing: the img2img script stops at start", f"set `--{key}`")
