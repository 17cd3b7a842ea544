from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="reproduced")
def check(plan: Plan) -> Iterator[Finding]:
    r"""No `--output_dir` or `--output_name`: the finished LoRA can't be written.

    Why: neither is checked before training. The last save joins the missing name with `.safetensors`, a TypeError after
    the last step, so the whole run is lost unless intermediate checkpoints were saved; without a folder the first save
    fails.
    Instead: set both.
    Sources: kohya-ss/musubi-tuner@30c658c training/trainer_base.py lines 1938-1940 and 2170-2176, utils/train_utils.py
    `get_last_ckpt_name` (TypeError reproduced), https://github.com/kohya-ss/musubi-tuner

    ```shell musubi-tuner flagged
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out
    ```
    ```shell musubi-tuner clean
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx
    ```
    """
    if not plan.training or not plan.script:
        return
    saving = plan.saving
    for setting, when in ((saving.folder, "at its first save"), (saving.name, "when it saves the finished LoRA")):
        if setting.value is None and setting.origin == "unknown" and not plan.config.has(setting.key[2:]):
            yield setting.finding(f"no `{setting.key}`: musubi stops with a TypeError {when}", f"set `{setting.key}`")
