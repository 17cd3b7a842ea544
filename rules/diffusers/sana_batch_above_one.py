from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="reproduced")
def check(plan: Plan) -> Iterator[Finding]:
    r"""SANA with one prompt and a batch above 1 stops at its first step.

    Why: the SANA script encodes the instance prompt once and never repeats it to the batch, so
    SanaTransformer2DModel reshapes 300 tokens into the batch and its attention mask no longer fits: a
    RuntimeError at the first step, after download and caching. The default batch is 4.
    Instead: set `--train_batch_size 1` and raise `--gradient_accumulation_steps`; per-image captions
    (`--caption_column`) are encoded per batch and work.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_sana.py lines 1253-1261 and
    1420, src/diffusers/models/transformers/sana_transformer.py (`view(batch_size, -1, ...)`); run with a small
    SanaTransformer2DModel of diffusers 0.42.1: batch 1 passes, 2 and 4 raise "shape is invalid for input of size"

    ```shell diffusers flagged
    accelerate launch train_dreambooth_lora_sana.py \
      --pretrained_model_name_or_path=Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers \
      --instance_data_dir=dog \
      --output_dir=out \
      --instance_prompt="a photo of zwx ring" \
      --resolution=1024 \
      --rank=16 \
      --lora_alpha=16 \
      --train_batch_size=4 \
      --max_train_steps=1000 \
      --checkpointing_steps=100
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
      --gradient_accumulation_steps=4
    ```
    """
    batch = plan.batch_size
    prompt = any(data.caption_source.value == "prompt" for data in plan.datasets)
    if plan.script == "train_dreambooth_lora_sana.py" and prompt and isinstance(batch.value, int) and batch.value > 1:
        origin = "" if batch.written else " (the script's default)"
        yield batch.finding(
            f"batch {batch.value}{origin} with one instance prompt: the SANA script does not repeat the prompt and "
            "stops at its first step with a shape error",
            "set `--train_batch_size 1` and accumulate gradients",
            batch.write(1, safe=False),
        )
