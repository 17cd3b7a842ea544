from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule
from lora_doctor.suggest import misnamed


@rule(level="warning", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """Rank is set, alpha is not, and the trainer's alpha is far below it.

    Why: the update is scaled by alpha / rank. sd-scripts, musubi-tuner and OneTrainer take alpha 1 when nothing is
    written, the diffusers scripts 4: with rank 32 the LoRA trains at 1/32 or 1/8 of its strength, looks undertrained,
    and people raise the learning rate or the steps.
    Instead: write alpha (equal to the rank is the plainest choice). With Adam, alpha acts as its square root on the
    learning rate, so going from alpha 1 to alpha 32 wants a rate about 5.7 times lower.
    Sources: kohya-ss/sd-scripts#98 and #146, https://github.com/kohya-ss/sd-scripts/issues/98;
    kohya-ss/musubi-tuner#309, https://github.com/kohya-ss/musubi-tuner/issues/309; LyCORIS, arXiv:2309.14859

    ```shell diffusers flagged
    accelerate launch train_dreambooth_lora_sana.py \\
      --pretrained_model_name_or_path=Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers \\
      --instance_data_dir=data/zwx --output_dir=out --instance_prompt="a photo of zwx" \\
      --rank=64
    ```
    ```shell diffusers clean
    accelerate launch train_dreambooth_lora_sana.py \\
      --pretrained_model_name_or_path=Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers \\
      --instance_data_dir=data/zwx --output_dir=out --instance_prompt="a photo of zwx" \\
      --rank=64 --lora_alpha=64
    ```
    """
    network = plan.network
    rank, alpha, scale = network.rank.value, network.alpha.value, network.scale
    if not plan.training or network.alpha.origin != "default" or scale is None or not rank or scale >= 0.25:
        return
    if misnamed(plan, network.alpha):
        return
    older = " (scripts of early 2025 and before take the rank)" if plan.trainer == "diffusers" else ""
    yield network.rank.finding(
        f"alpha is not set and {plan.trainer} takes {alpha:g}{older}: with rank {rank} the LoRA trains at "
        f"1/{1 / scale:.3g} of its strength",
        f"set `{network.alpha.key}` (to {rank}, for a scale of 1)",
        network.alpha.write(rank, safe=False),
    )
