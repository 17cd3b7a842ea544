from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""8-bit Adam is asked for, but Prodigy is used.

    Why: `--use_8bit_adam` belongs to AdamW; with `--optimizer prodigy` a warning is logged and the optimiser
    keeps 32-bit state, about four times the memory that was planned.
    Instead: remove the flag, or use AdamW.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_flux2_klein.py lines
    1441-1445

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
      --optimizer=prodigy \
      --learning_rate=1.0 \
      --use_8bit_adam
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
      --optimizer=prodigy \
      --learning_rate=1.0
    ```
    """
    switch, given = plan.get("use_8bit_adam"), plan.get("optimizer")
    if switch.value is True and str(given.value).lower() == "prodigy":
        yield switch.finding("`--use_8bit_adam` has no effect on Prodigy", "remove it", switch.remove())
