from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""`--block_swap_h2d_only` without `--gradient_checkpointing`.

    Why: streaming frozen weights through a ring buffer overwrites what the backward pass would read; with checkpointing
    it is read again in time. musubi refuses the combination after loading the model.
    Instead: add `--gradient_checkpointing`.
    Sources: kohya-ss/musubi-tuner@30c658c modules/custom_offloading_utils.py `BlockSwapConfig.from_args`,
    https://github.com/kohya-ss/musubi-tuner

    ```shell musubi-tuner flagged
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx --blocks_to_swap 10 --block_swap_h2d_only
    ```
    ```shell musubi-tuner clean
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx --blocks_to_swap 10 --block_swap_h2d_only \
      --gradient_checkpointing
    ```
    """
    swap, checkpointing = plan.get("block_swap_h2d_only"), plan.precision.gradient_checkpointing
    known = plan.script or checkpointing.written
    swapped = plan.precision.blocks_to_swap.value
    if plan.training and known and swap.value is True and swapped and not checkpointing.value:
        yield swap.finding(
            "`--block_swap_h2d_only` needs `--gradient_checkpointing`: musubi stops after loading the model",
            "add `--gradient_checkpointing`",
            checkpointing.write(True),
        )
