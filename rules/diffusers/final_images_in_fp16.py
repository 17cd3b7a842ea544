from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""The last images are drawn in fp16 by a model made for bf16.

    Why: after training the SANA script draws the validation prompt once more with the transformer in fp16,
    whatever the precision of the run; diffusers recommends bf16 for the BF16 checkpoints. Black or broken last
    images say nothing about the LoRA.
    Instead: judge the LoRA in your own pipeline, in bf16.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_sana.py line 1558;
    docs/source/en/api/pipelines/sana.md (recommended dtype)

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
      --validation_prompt="a photo of zwx ring"
    ```
    ```shell diffusers clean
    accelerate launch train_dreambooth_lora_sana.py \
      --pretrained_model_name_or_path=Efficient-Large-Model/Sana_1600M_1024px_diffusers \
      --instance_data_dir=dog \
      --output_dir=out \
      --instance_prompt="a photo of zwx ring" \
      --resolution=1024 \
      --rank=16 \
      --lora_alpha=16 \
      --train_batch_size=1 \
      --max_train_steps=1000 \
      --checkpointing_steps=100 \
      --validation_prompt="a photo of zwx ring"
    ```
    """
    prompt = plan.validation.prompts
    bf16 = "bf16" in str(plan.model.setting.value).lower()
    if plan.script == "train_dreambooth_lora_sana.py" and prompt.written and bf16:
        yield prompt.finding(
            "the last images are drawn with the transformer in fp16, which this bf16 checkpoint is not made for",
            "judge the LoRA in your own pipeline, in bf16",
        )
