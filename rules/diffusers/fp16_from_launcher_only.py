from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""fp16 is set for the launcher but not for the script.

    Why: the base model follows the launcher's precision, but whether the adapter is lifted to fp32 is asked of
    the script's own `--mixed_precision`. With fp16 from `accelerate launch` alone the adapter stays in fp16 and
    the first update stops with "Attempting to unscale FP16 gradients".
    Instead: give `--mixed_precision fp16` to the script too, behind its name.
    Sources: huggingface/diffusers#6363, https://github.com/huggingface/diffusers/issues/6363, and #10910;
    huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_sdxl.py lines 1166 and 1348,
    train_dreambooth_lora_sana.py lines 1005 and 1132

    ```shell diffusers flagged
    accelerate launch --mixed_precision=fp16 train_dreambooth_lora_sdxl.py \
      --pretrained_model_name_or_path=stabilityai/stable-diffusion-xl-base-1.0 \
      --instance_data_dir=dog \
      --output_dir=out \
      --instance_prompt="a photo of zwx dog" \
      --resolution=1024 \
      --rank=16 \
      --train_batch_size=1 \
      --max_train_steps=1000 \
      --checkpointing_steps=100
    ```
    ```shell diffusers clean
    accelerate launch --mixed_precision=fp16 train_dreambooth_lora_sdxl.py \
      --pretrained_model_name_or_path=stabilityai/stable-diffusion-xl-base-1.0 \
      --instance_data_dir=dog \
      --output_dir=out \
      --instance_prompt="a photo of zwx dog" \
      --resolution=1024 \
      --rank=16 \
      --train_batch_size=1 \
      --max_train_steps=1000 \
      --checkpointing_steps=100 \
      --mixed_precision=fp16
    ```
    """
    own = plan.get("mixed_precision")
    given = plan.config.has("mixed_precision") or plan.config.open
    if plan.precision.compute.value == "fp16" and not given and plan.network.kind.value != "full":
        yield own.finding(
            "fp16 comes from the launcher only: the adapter stays in fp16 and the first update stops with `Attempting "
            "to unscale FP16 gradients`",
            "give the script `--mixed_precision fp16` too",
            own.write("fp16"),
        )
