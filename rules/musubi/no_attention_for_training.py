from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

BACKENDS = ("sdpa", "flash_attn", "flash3", "xformers")


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""No attention backend that can train.

    Why: one of `--sdpa`, `--flash_attn`, `--flash3` or `--xformers` must be given: without one musubi stops after
    building the dataset, and `--sage_attn` is refused because it has no backward pass.
    Instead: `--sdpa`, which needs no extra package.
    Sources: kohya-ss/musubi-tuner@30c658c training/trainer_base.py lines 1402-1406 and 1502-1516,
    https://github.com/kohya-ss/musubi-tuner

    ```shell musubi-tuner flagged
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx
    ```
    ```shell musubi-tuner clean
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx
    ```
    """
    sage = plan.get("sage_attn")
    if not plan.training:
        return
    if sage.value is True:
        yield sage.finding("`sage_attn` has no backward pass: musubi refuses to train with it", "use `sdpa` instead")
    elif plan.script and not any(plan.get(name).value for name in BACKENDS):
        setting = plan.get("sdpa")
        yield setting.finding(
            "no attention backend is chosen: musubi stops once the dataset is built",
            "add `--sdpa`",
            setting.write(True),
        )
