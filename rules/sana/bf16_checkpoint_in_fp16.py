from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    r"""A SANA checkpoint made for bf16 is trained in fp16.

    Why: SANA's first weights ran in fp16 only; NVIDIA published the BF16 checkpoints for training in bf16, and
    diffusers gives a dtype for each. With the other one values overflow and the loss turns NaN or the images
    break.
    Instead: use bf16, or the checkpoint without BF16 in its name.
    Sources: huggingface/diffusers@58eb52c0 docs/source/en/api/pipelines/sana.md (recommended dtype per
    checkpoint); bghira/SimpleTuner documentation/quickstart/SANA.md ("fp16 is not recommended")

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
      --mixed_precision=fp16
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
      --mixed_precision=bf16
    ```
    """
    compute, name = plan.precision.compute, str(plan.model.setting.value or "")
    if plan.training and compute.value == "fp16" and "bf16" in name.lower() and compute.place is not None:
        yield compute.finding(
            "fp16 with a BF16 checkpoint of SANA: its values overflow, the loss turns NaN or images break",
            "use bf16",
            compute.write("bf16", safe=False),
        )
