from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""`--scale_lr` multiplies the learning rate.

    Why: the flag multiplies the rate by batch, accumulation and GPUs; published rates for LoRA are not meant to
    be multiplied, and with Adam-type optimisers the rate does not grow with the batch like this.
    Instead: remove `--scale_lr` and write the rate you mean.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_sdxl.py (`if args.scale_lr`)

    ```shell diffusers flagged
    accelerate launch train_dreambooth_lora_sdxl.py \
      --pretrained_model_name_or_path=stabilityai/stable-diffusion-xl-base-1.0 \
      --instance_data_dir=dog \
      --output_dir=out \
      --instance_prompt="a photo of zwx dog" \
      --resolution=1024 \
      --rank=16 \
      --train_batch_size=1 \
      --max_train_steps=1000 \
      --checkpointing_steps=100 \
      --scale_lr \
      --gradient_accumulation_steps=8
    ```
    ```shell diffusers clean
    accelerate launch train_dreambooth_lora_sdxl.py \
      --pretrained_model_name_or_path=stabilityai/stable-diffusion-xl-base-1.0 \
      --instance_data_dir=dog \
      --output_dir=out \
      --instance_prompt="a photo of zwx dog" \
      --resolution=1024 \
      --rank=16 \
      --train_batch_size=1 \
      --max_train_steps=1000 \
      --checkpointing_steps=100 \
      --gradient_accumulation_steps=8
    ```
    """
    switch, written, used = plan.get("scale_lr"), plan.get("learning_rate"), plan.learning_rate.value
    if switch.value is True and isinstance(written.value, float) and isinstance(used, float) and used > written.value:
        yield switch.finding(
            f"`--scale_lr` makes the rate {used:g} out of {written.value:g}",
            "remove it and write the rate you mean",
            switch.remove(safe=False),
        )
