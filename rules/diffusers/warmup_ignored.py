from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""Warm-up steps with a schedule that has none.

    Why: `--lr_scheduler constant` never looks at `--lr_warmup_steps`: the rate is full from the first step.
    Instead: use `constant_with_warmup` if a warm-up is meant, or drop the flag.
    Sources: huggingface/diffusers@58eb52c0 src/diffusers/optimization.py (`get_scheduler`); README_flux2.md has
    both

    ```shell diffusers flagged
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
      --text_encoder_out_layers 9 18 27 \
      --lr_scheduler=constant \
      --lr_warmup_steps=100
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
      --text_encoder_out_layers 9 18 27 \
      --lr_scheduler=constant_with_warmup \
      --lr_warmup_steps=100
    ```
    """
    steps, schedule = plan.get("lr_warmup_steps"), plan.get("lr_scheduler")
    if steps.written and isinstance(steps.value, int) and steps.value > 0 and schedule.value == "constant":
        yield steps.finding(
            f"{steps.value} warm-up steps with the constant schedule: they are ignored",
            "use `constant_with_warmup`, or remove them",
            steps.remove(safe=False),
        )
