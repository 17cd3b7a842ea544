from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""`--no_metadata`: the LoRA will not say how it was made.

    Why: only the base model's version, rank, alpha and network arguments are kept; learning rate, steps and dataset are
    lost, and with them the way to repeat or diagnose the run.
    Instead: drop the flag; strip metadata from the file you publish instead.
    Sources: kohya-ss/musubi-tuner@30c658c training/trainer_base.py `save_model`, `SS_METADATA_MINIMUM_KEYS`,
    https://github.com/kohya-ss/musubi-tuner

    ```shell musubi-tuner flagged
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx --no_metadata
    ```
    ```shell musubi-tuner clean
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx
    ```
    """
    setting = plan.get("no_metadata")
    if plan.training and setting.value is True:
        yield setting.finding(
            "`--no_metadata` drops learning rate, steps and dataset from the saved file", "drop the flag while training"
        )
