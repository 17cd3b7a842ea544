from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""No loss is written to disk.

    Why: without `--logging_dir` or `--log_with` the loss exists only in the progress bar, so a run can't be examined
    afterwards.
    Instead: `--logging_dir out/logs` writes TensorBoard files.
    Sources: kohya-ss/musubi-tuner@30c658c training/accelerator_setup.py lines 45-60,
    https://github.com/kohya-ss/musubi-tuner

    ```shell musubi-tuner flagged
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx
    ```
    ```shell musubi-tuner clean
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx --logging_dir out/logs
    ```
    """
    folder = plan.get("logging_dir")
    if plan.training and plan.script and not plan.config.has("logging_dir") and not plan.get("log_with").value:
        yield folder.finding(
            "no `--logging_dir`: the loss of this run is written nowhere",
            "set `--logging_dir`",
            folder.write("logs", safe=False),
        )
