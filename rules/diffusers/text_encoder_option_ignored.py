from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""A text-encoder option in a run that trains no text encoder.

    Why: the FLUX.2, Klein and SANA scripts train no text encoder at all, and the others only with
    `--train_text_encoder`; the rate or decay for it is accepted and never read.
    Instead: remove it, or add `--train_text_encoder` where the script has it.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_flux2_klein.py and
    train_dreambooth_lora_sana.py (options defined, never read), train_dreambooth_lora_sdxl.py line 1365

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
      --text_encoder_lr=1e-5
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
      --train_text_encoder \
      --text_encoder_lr=1e-5
    ```
    """
    trained = ("train_text_encoder", "train_text_encoder_ti")
    if plan.config.open or any(plan.get(key).value for key in trained):
        return
    for key in ("text_encoder_lr", "adam_weight_decay_text_encoder"):
        setting = plan.get(key)
        if setting.written:
            yield setting.finding(f"no text encoder is trained: `--{key}` has no effect", "remove it", setting.remove())
