from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""Two ways to train the text encoder that exclude each other.

    Why: the advanced scripts take either `--train_text_encoder` (a LoRA on it) or `--train_text_encoder_ti` (new
    token embeddings) and stop at start with both.
    Instead: keep one of them.
    Sources: huggingface/diffusers@58eb52c0
    examples/advanced_diffusion_training/train_dreambooth_lora_sdxl_advanced.py line 841

    ```shell diffusers flagged
    accelerate launch train_dreambooth_lora_sdxl_advanced.py \
      --pretrained_model_name_or_path=stabilityai/stable-diffusion-xl-base-1.0 \
      --instance_data_dir=dog \
      --output_dir=out \
      --instance_prompt="a photo of TOK dog" \
      --resolution=1024 \
      --rank=16 \
      --train_batch_size=1 \
      --max_train_steps=1000 \
      --checkpointing_steps=100 \
      --train_text_encoder \
      --train_text_encoder_ti
    ```
    ```shell diffusers clean
    accelerate launch train_dreambooth_lora_sdxl_advanced.py \
      --pretrained_model_name_or_path=stabilityai/stable-diffusion-xl-base-1.0 \
      --instance_data_dir=dog \
      --output_dir=out \
      --instance_prompt="a photo of TOK dog" \
      --resolution=1024 \
      --rank=16 \
      --train_batch_size=1 \
      --max_train_steps=1000 \
      --checkpointing_steps=100 \
      --train_text_encoder_ti
    ```
    """
    whole, tokens = plan.get("train_text_encoder"), plan.get("train_text_encoder_ti")
    if whole.value is True and tokens.value is True:
        yield whole.finding(
            "`--train_text_encoder` and `--train_text_encoder_ti` exclude each other: the script stops at start",
            "keep one of them",
            whole.remove(safe=False),
        )
