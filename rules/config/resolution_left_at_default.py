from collections.abc import Iterator

from lora_doctor.models.families import FAMILIES
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """No resolution is set, and the trainer's default is half the model's own.

    Why: the diffusers scripts, ai-toolkit datasets and OneTrainer train at 512 pixels when nothing is said; FLUX.2
    Klein, SANA and SDXL are 1024-pixel models. 512 is a fair choice for speed, but not one to make by omission.
    Instead: write the resolution, 512 included.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth (`--resolution` default 512); ostris/ai-toolkit@27a03a91
    toolkit/config_modules.py; Nerogar/OneTrainer@23df3832

    ```shell diffusers flagged
    accelerate launch train_dreambooth_lora_sana.py \\
      --pretrained_model_name_or_path=Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers \\
      --instance_data_dir=data/zwx --output_dir=out --instance_prompt="a photo of zwx"
    ```
    ```shell diffusers clean
    accelerate launch train_dreambooth_lora_sana.py \\
      --pretrained_model_name_or_path=Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers \\
      --instance_data_dir=data/zwx --output_dir=out --instance_prompt="a photo of zwx" --resolution=1024
    ```
    """
    family = FAMILIES.get(plan.model.family or "")
    if not plan.training or family is None:
        return
    for data in plan.datasets:
        edges = data.resolution
        if edges.origin == "default" and edges.value and max(edges.value) * 2 <= family.resolution:
            yield edges.finding(
                f"no resolution is set and {plan.trainer} takes {max(edges.value)}: half of {family.title}'s "
                f"{family.resolution} pixels",
                f"set `{edges.key}`",
                edges.write(family.resolution, safe=False),
            )
