from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""`--log_with` TensorBoard without `--logging_dir`.

    Why: the accelerator refuses to start without a folder for the event files, after the dataset is built.
    Instead: set `--logging_dir`.
    Sources: kohya-ss/musubi-tuner@30c658c training/accelerator_setup.py lines 60-75,
    https://github.com/kohya-ss/musubi-tuner

    ```shell musubi-tuner flagged
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx --log_with tensorboard
    ```
    ```shell musubi-tuner clean
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx --log_with tensorboard --logging_dir out/logs
    ```
    """
    tracker, folder = plan.get("log_with"), plan.get("logging_dir")
    if plan.training and plan.script and tracker.value in ("tensorboard", "all") and not plan.config.has("logging_dir"):
        yield tracker.finding(
            f"`--log_with {tracker.value}` needs `--logging_dir`: musubi stops at start",
            "set `--logging_dir`",
            folder.write("logs", safe=False),
        )
