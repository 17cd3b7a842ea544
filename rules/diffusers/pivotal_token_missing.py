from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""The token that pivotal tuning trains is not in the prompt.

    Why: with `--train_text_encoder_ti` the script replaces `--token_abstraction` (default TOK) in the instance
    prompt by new tokens and trains their embeddings. If the prompt has no such word nothing is replaced and the
    embeddings never get a gradient.
    Instead: write the token into `--instance_prompt`, or name the word you use with `--token_abstraction`.
    Sources: huggingface/diffusers@58eb52c0
    examples/advanced_diffusion_training/train_dreambooth_lora_sdxl_advanced.py lines 1501-1520,
    train_dreambooth_lora_flux_advanced.py line 1516

    ```shell diffusers flagged
    accelerate launch train_dreambooth_lora_sdxl_advanced.py \
      --pretrained_model_name_or_path=stabilityai/stable-diffusion-xl-base-1.0 \
      --instance_data_dir=dog \
      --output_dir=out \
      --instance_prompt="a photo of zwx dog" \
      --resolution=1024 \
      --rank=16 \
      --train_batch_size=1 \
      --max_train_steps=1000 \
      --checkpointing_steps=100 \
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
    tokens = plan.get("token_abstraction").value
    prompts = [data.prompt for data in plan.datasets if isinstance(data.prompt.value, str)]
    if plan.get("train_text_encoder_ti").value is not True or not isinstance(tokens, str):
        return
    for prompt in prompts:
        missing = [token for token in "".join(tokens.split()).split(",") if token not in str(prompt.value)]
        if missing:
            yield prompt.finding(
                f"pivotal tuning trains {', '.join(f'`{token}`' for token in missing)}, which is not in the prompt: "
                "its embeddings never learn",
                "write it into `--instance_prompt`",
            )
