from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule
from lora_doctor.suggest import misnamed

SMALL = 4


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """No rank is set, and the trainer's default is 4.

    Why: the diffusers scripts, sd-scripts and ai-toolkit train a rank-4 adapter when nothing is said: enough for a
    simple style, a quarter to an eighth of what published recipes for a subject use (16 to 32).
    Instead: write the rank, and alpha with it.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth (`--rank` default 4); kohya-ss/sd-scripts@48d368fa
    networks/lora.py; ostris/ai-toolkit@27a03a91 toolkit/config_modules.py

    ```shell diffusers flagged
    accelerate launch train_dreambooth_lora_sana.py \\
      --pretrained_model_name_or_path=Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers \\
      --instance_data_dir=data/zwx --output_dir=out --instance_prompt="a photo of zwx" --resolution=1024
    ```
    ```shell diffusers clean
    accelerate launch train_dreambooth_lora_sana.py \\
      --pretrained_model_name_or_path=Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers \\
      --instance_data_dir=data/zwx --output_dir=out --instance_prompt="a photo of zwx" --resolution=1024 \\
      --rank=16 --lora_alpha=16
    ```
    """
    rank = plan.network.rank
    if not plan.training or plan.network.kind.value != "lora" or rank.origin != "default":
        return
    if isinstance(rank.value, int) and rank.value <= SMALL and not misnamed(plan, rank):
        yield rank.finding(
            f"no rank is set and {plan.trainer} takes {rank.value}; published recipes for a subject use 16 to 32",
            f"set `{rank.key}`",
        )
