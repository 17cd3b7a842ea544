from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""`--gradient_checkpointing_cpu_offload` without `--gradient_checkpointing`.

    Why: the flag only says where checkpointed activations are kept; checkpointing itself stays off and no memory is
    saved.
    Instead: give both.
    Sources: kohya-ss/musubi-tuner@30c658c training/trainer_base.py `_build_network`,
    https://github.com/kohya-ss/musubi-tuner

    ```shell musubi-tuner flagged
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx --gradient_checkpointing_cpu_offload
    ```
    ```shell musubi-tuner clean
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx --gradient_checkpointing --gradient_checkpointing_cpu_offload
    ```
    """
    offload, checkpointing = plan.get("gradient_checkpointing_cpu_offload"), plan.precision.gradient_checkpointing
    known = plan.script or checkpointing.written
    if plan.training and known and offload.value is True and checkpointing.value is False:
        yield offload.finding(
            "`--gradient_checkpointing_cpu_offload` has no effect without `--gradient_checkpointing`",
            "add `--gradient_checkpointing`",
            checkpointing.write(True, safe=False),
        )
