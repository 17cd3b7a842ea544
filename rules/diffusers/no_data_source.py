from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule
from lora_doctor.suggest import modified


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""None or both of the two ways to name the images.

    Why: the script takes exactly one of a hub dataset and a local folder, and stops at start otherwise.
    Instead: keep one of `--dataset_name` and `--instance_data_dir` (`--train_data_dir` in the text-to-image
    scripts).
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_flux2_klein.py lines
    755-759; examples/text_to_image/train_text_to_image_lora_sdxl.py line 503

    ```shell diffusers flagged
    accelerate launch train_dreambooth_lora_flux2_klein.py \
      --pretrained_model_name_or_path=black-forest-labs/FLUX.2-klein-base-4B \
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
    hub = plan.get("dataset_name")
    local = "instance_data_dir" if "instance_data_dir" in plan.config.table.keys else "train_data_dir"
    folder = plan.get(local)
    if plan.config.open or modified(plan, plan.config):
        return
    if hub.written and folder.written and local == "instance_data_dir":
        yield folder.finding(
            "`--dataset_name` and `--instance_data_dir` exclude each other: the script stops at start",
            "keep one of them",
        )
    elif not plan.config.has("dataset_name") and not plan.config.has(local):
        yield folder.finding(
            f"neither `--dataset_name` nor `--{local}` is given: the script stops at start", f"set `--{local}`"
        )
