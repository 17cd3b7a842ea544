from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="reported")
def check(plan: Plan) -> Iterator[Finding]:
    r"""`--resume` restores the state but counts from epoch 1 again.

    Why: the optimiser and weights are loaded, the step and epoch counters are not: the full number of epochs is trained
    on top, and checkpoints of the same names are overwritten.
    Instead: set `--max_train_epochs` to what is left, and another `--output_name`.
    Sources: kohya-ss/musubi-tuner@30c658c training/trainer_base.py lines 1917-1919; kohya-ss/musubi-tuner#307, #424,
    #461, #927, https://github.com/kohya-ss/musubi-tuner/issues/307

    ```shell musubi-tuner flagged
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx --resume out/zwx-000008-state
    ```
    ```shell musubi-tuner clean
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx
    ```
    """
    resume = plan.saving.resume
    if plan.training and resume.value:
        yield resume.finding(
            "`--resume` starts counting at epoch 1: the whole number of epochs is trained again and checkpoints of the "
            "same names are overwritten",
            "lower the epochs to what is left and change `--output_name`",
        )
