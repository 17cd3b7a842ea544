from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

FEW = 15  # words


@rule(level="note", evidence="reported")
def check(plan: Plan) -> Iterator[Finding]:
    r"""SANA is trained on one short prompt.

    Why: SANA's encoder is a language model (Gemma 2), trained with long captions: short prompts give poor images,
    and a LoRA trained on one five-word prompt learns to answer that prompt only.
    Instead: describe each image in a sentence or two (`--dataset_name` with `--caption_column`), or write a
    longer instance prompt.
    Sources: bghira/SimpleTuner documentation/quickstart/SANA.md ("shorter prompts will possibly look very bad")

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
      --checkpointing_steps=100
    ```
    ```shell diffusers clean
    accelerate launch train_dreambooth_lora_sana.py \
      --pretrained_model_name_or_path=Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers \
      --instance_data_dir=dog \
      --output_dir=out \
      --instance_prompt="a zwx ring, 18k gold with an oval cut diamond, on dark velvet, soft studio light, macro" \
      --resolution=1024 \
      --rank=16 \
      --lora_alpha=16 \
      --train_batch_size=1 \
      --max_train_steps=1000 \
      --checkpointing_steps=100
    ```
    """
    for data in plan.datasets:
        prompt = data.prompt
        if plan.training and data.caption_source.value == "prompt" and isinstance(prompt.value, str) and prompt.written:
            words = len(prompt.value.split())
            if words < FEW:
                yield prompt.finding(
                    f"one prompt of {words} word{'s' * (words != 1)} for all images: SANA was trained on long captions",
                    "describe the images at more length",
                )
