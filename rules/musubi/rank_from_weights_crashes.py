from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""`--dim_from_weights`, which can't work.

    Why: the flag takes no value, and its value True is then opened as the file to read the ranks from: an error after
    the model is loaded.
    Instead: set `--network_dim` to the rank of the file given to `--network_weights`.
    Sources: kohya-ss/musubi-tuner@30c658c training/trainer_base.py lines 1569-1572, training/parser_common.py
    (`store_true`), https://github.com/kohya-ss/musubi-tuner

    ```shell musubi-tuner flagged
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx --network_weights out/zwx-000008.safetensors \
      --dim_from_weights
    ```
    ```shell musubi-tuner clean
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx --network_weights out/zwx-000008.safetensors
    ```
    """
    setting = plan.get("dim_from_weights")
    if plan.training and setting.value is True:
        yield setting.finding(
            "`--dim_from_weights` makes musubi open a file named True: it stops after loading the model",
            "set `--network_dim` to the rank of those weights instead",
        )
