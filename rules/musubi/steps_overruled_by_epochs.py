from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""Both steps and epochs are given, and the epochs win.

    Why: `--max_train_epochs` is turned into steps and overwrites `--max_train_steps`, so the run is as long as the
    epochs say.
    Instead: give one of them.
    Sources: kohya-ss/musubi-tuner@30c658c training/trainer_base.py lines 1639-1646,
    https://github.com/kohya-ss/musubi-tuner

    ```shell musubi-tuner flagged
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx --max_train_steps 2000
    ```
    ```shell musubi-tuner clean
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx
    ```
    """
    steps, epochs = plan.get("max_train_steps"), plan.get("max_train_epochs")
    if plan.training and steps.written and epochs.written and epochs.value is not None:
        yield steps.finding(
            f"{steps.value} steps are overruled by {epochs.value} epochs",
            f"drop `{steps.key}` or `{epochs.key}`",
            steps.remove(),
        )
