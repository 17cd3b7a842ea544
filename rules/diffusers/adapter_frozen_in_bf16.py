from collections.abc import Iterator
from math import erfc, floor, log2, sqrt

from lora_doctor.derived import optimizer_family
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

LARGE = 0.3  # share of `lora_A` that no step can change


@rule(level="warning", evidence="reproduced")
def check(plan: Plan) -> Iterator[Finding]:
    r"""Most `lora_A` weights never change: bf16 rounds their updates away.

    Why: with `--mixed_precision bf16` the scripts keep the adapter in bf16 (only fp16 is lifted to fp32), and
    draw `lora_A` with a spread of 1/rank. A bf16 number of at least 256 x rate can't take a step of the size of
    the rate, so at rank 4 and 1e-4 90 % of `lora_A` stays as drawn and only `lora_B` learns.
    Instead: `--mixed_precision fp16` keeps the adapter in fp32 but computes in fp16, which is no good for SANA;
    otherwise raise the rank (1/rank is the spread) or the rate until the share in the message is small.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_sana.py line 1132,
    train_dreambooth_lora_flux2_klein.py line 1422; counted with PEFT 0.21 and torch's AdamW over 300 steps: 90 %
    unchanged at rank 4, 63 % at 16, 34 % at 32, 7 % at 64 (rate 1e-4)

    ```shell diffusers flagged
    accelerate launch train_dreambooth_lora_sana.py \
      --pretrained_model_name_or_path=Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers \
      --instance_data_dir=dog \
      --output_dir=out \
      --instance_prompt="a photo of zwx ring" \
      --resolution=1024 \
      --rank=4 \
      --lora_alpha=4 \
      --train_batch_size=1 \
      --max_train_steps=1000 \
      --checkpointing_steps=100 \
      --mixed_precision=bf16
    ```
    ```shell diffusers clean
    accelerate launch train_dreambooth_lora_sana.py \
      --pretrained_model_name_or_path=Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers \
      --instance_data_dir=dog \
      --output_dir=out \
      --instance_prompt="a photo of zwx ring" \
      --resolution=1024 \
      --rank=64 \
      --lora_alpha=64 \
      --train_batch_size=1 \
      --max_train_steps=1000 \
      --checkpointing_steps=100 \
      --mixed_precision=bf16
    ```
    """
    rank, rate = plan.network.rank.value, plan.learning_rate.value
    if plan.network.dtype.value != "bf16" or optimizer_family(plan.optimizer.name.value) != "adamw":
        return
    if not isinstance(rank, int) or not isinstance(rate, float) or rank < 1 or not 0 < rate < 1:
        return
    frozen = erfc(2.0 ** (floor(log2(rate)) + 9) * rank / sqrt(2))
    if frozen >= LARGE:
        setting = plan.network.rank if plan.network.rank.written else plan.get("mixed_precision")
        yield setting.finding(
            f"a bf16 adapter of rank {rank} at {rate:g}: {frozen:.0%} of `lora_A` can't move, since a step is below "
            "half a bf16 digit of the weight",
            "use a higher rank or rate, or `--mixed_precision fp16` where the model takes it",
        )
