from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""The SANA VAE stays on the GPU although latents are cached.

    Why: after caching, the VAE is freed only if there is no `--validation_prompt`; with one it stays on the GPU
    in fp32 for the whole run, with `--offload` too, so the memory that `--cache_latents` should save is not
    saved.
    Instead: leave the validation prompt out if memory is short, and draw images from the checkpoints afterwards.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_sana.py lines 1266-1276

    ```shell diffusers flagged
    accelerate launch train_dreambooth_lora_sana.py \
      --pretrained_model_name_or_path=Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers \
      --instance_data_dir=dog \
      --output_dir=out \
      --instance_prompt="a photo of zwx ring" \
      --resolution=1024 \
      --rank=16 \
      --lora_alpha=16 \
      --train_batch_size=1 \
      --max_train_steps=1000 \
      --checkpointing_steps=100 \
      --cache_latents \
      --validation_prompt="a photo of zwx ring"
    ```
    ```shell diffusers clean
    accelerate launch train_dreambooth_lora_sana.py \
      --pretrained_model_name_or_path=Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers \
      --instance_data_dir=dog \
      --output_dir=out \
      --instance_prompt="a photo of zwx ring" \
      --resolution=1024 \
      --rank=16 \
      --lora_alpha=16 \
      --train_batch_size=1 \
      --max_train_steps=1000 \
      --checkpointing_steps=100 \
      --cache_latents
    ```
    """
    prompt = plan.validation.prompts
    if plan.script == "train_dreambooth_lora_sana.py" and plan.cache_latents.value and prompt.written:
        yield plan.cache_latents.finding(
            "with a validation prompt the VAE stays on the GPU in fp32 after caching, with `--offload` too",
            "leave `--validation_prompt` out if memory is short",
        )
