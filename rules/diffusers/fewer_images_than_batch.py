from collections.abc import Iterator

from lora_doctor.derived import samples_per_epoch
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

SCRIPTS = (
    "train_dreambooth_lora_flux2_klein.py",
    "train_dreambooth_lora_flux2_klein_img2img.py",
    "train_dreambooth_lora_flux2.py",
    "train_dreambooth_lora_flux2_img2img.py",
    "train_dreambooth_lora_flux_kontext.py",
    "train_dreambooth_lora_qwen_image.py",
    "train_dreambooth_lora_z_image.py",
)


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""No batch is ever full, so the run stops.

    Why: the scripts with aspect-ratio buckets leave out batches that are not full. With fewer images than
    `--train_batch_size` an epoch has no step, and the run stops with a ZeroDivisionError after the model is
    loaded and the latents are cached. The default batch is 4.
    Instead: lower `--train_batch_size`, or raise `--repeats`.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_flux2_klein.py lines 1525
    and 1707

    ```files
    dog/1.png
    dog/2.png
    ```
    ```shell diffusers flagged
    accelerate launch train_dreambooth_lora_flux2_klein.py \
      --pretrained_model_name_or_path=black-forest-labs/FLUX.2-klein-base-4B \
      --instance_data_dir=dog \
      --output_dir=out \
      --instance_prompt="a photo of zwx dog" \
      --resolution=1024 \
      --rank=16 \
      --lora_alpha=16 \
      --train_batch_size=4 \
      --max_train_steps=1000 \
      --checkpointing_steps=100 \
      --text_encoder_out_layers 9 18 27
    ```
    ```files
    dog/1.png
    dog/2.png
    ```
    ```shell diffusers clean
    accelerate launch train_dreambooth_lora_flux2_klein.py \
      --pretrained_model_name_or_path=black-forest-labs/FLUX.2-klein-base-4B \
      --instance_data_dir=dog \
      --output_dir=out \
      --instance_prompt="a photo of zwx dog" \
      --resolution=1024 \
      --rank=16 \
      --lora_alpha=16 \
      --train_batch_size=1 \
      --max_train_steps=1000 \
      --checkpointing_steps=100 \
      --text_encoder_out_layers 9 18 27
    ```
    """
    samples, batch = samples_per_epoch(plan), plan.batch_size
    if plan.script in SCRIPTS and samples is not None and isinstance(batch.value, int) and 0 < samples < batch.value:
        origin = "" if batch.written else " (the script's default)"
        yield batch.finding(
            f"{samples:g} images for a batch of {batch.value}{origin}: batches that are not full are left out, so the "
            "epoch has no step and the run stops",
            "lower the batch or repeat the images",
            batch.write(max(1, int(samples)), safe=False),
        )
