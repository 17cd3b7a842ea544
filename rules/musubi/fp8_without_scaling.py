from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    r"""`--fp8_base` without `--fp8_scaled`: weights are cut to fp8 without a scale.

    Why: a plain cast keeps three bits of mantissa over a fixed range, so small weights vanish; with a scale per block
    the same memory loses far less. The documentation recommends the two together.
    Instead: add `--fp8_scaled`.
    Sources: kohya-ss/musubi-tuner@30c658c docs/flux_2.md; training/trainer_base.py line 1473,
    https://github.com/kohya-ss/musubi-tuner

    ```shell musubi-tuner flagged
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx --fp8_base
    ```
    ```shell musubi-tuner clean
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx --fp8_base --fp8_scaled
    ```
    """
    base, scaled = plan.get("fp8_base"), plan.get("fp8_scaled")
    if plan.training and plan.script.startswith("flux_2") and base.value is True and scaled.value is False:
        yield base.finding(
            "`--fp8_base` alone casts the weights to fp8 without a scale, which loses more than it must",
            "add `--fp8_scaled`",
            scaled.write(True, safe=False),
        )
