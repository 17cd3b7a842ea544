from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

SCRIPT = "train_dreambooth_lora_sana.py"


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""Class images are drawn in fp16 by a model made for bf16.

    Why: prior preservation trains on images the base model draws first. The SANA script draws them with the
    transformer in fp16 whatever the precision; diffusers recommends bf16 for the BF16 checkpoints, and what fp16
    makes of them is trained on.
    Instead: draw the class images yourself in bf16 and put them into `--class_data_dir`: with
    `--num_class_images` of them there, none is drawn.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_sana.py line 936;
    huggingface/diffusers docs/source/en/api/pipelines/sana.md (recommended dtype)

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
      --with_prior_preservation \
      --class_data_dir=rings \
      --class_prompt="a photo of a ring"
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
      --checkpointing_steps=100
    ```
    """
    prior = plan.get("with_prior_preservation")
    if prior.value is True and plan.script == SCRIPT and "bf16" in str(plan.model.setting.value).lower():
        yield prior.finding(
            "class images are drawn with the transformer in fp16, which this bf16 checkpoint is not made for",
            "draw them in bf16 yourself into `--class_data_dir`",
        )
