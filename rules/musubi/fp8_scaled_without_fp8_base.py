from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""`--fp8_scaled` without `--fp8_base`.

    Why: scaling is an option of the fp8 base model; alone it fails an assertion at start.
    Instead: give both, or neither.
    Sources: kohya-ss/musubi-tuner@30c658c training/trainer_base.py line 1400; docs/flux_2.md,
    https://github.com/kohya-ss/musubi-tuner

    ```shell musubi-tuner flagged
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx --fp8_scaled
    ```
    ```shell musubi-tuner clean
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx --fp8_base --fp8_scaled
    ```
    """
    scaled, base = plan.get("fp8_scaled"), plan.get("fp8_base")
    if plan.training and scaled.value is True and base.value is False and (plan.script or base.written):
        yield scaled.finding(
            "`fp8_scaled` without `fp8_base` fails an assertion at start", "add `--fp8_base`", base.write(True)
        )
