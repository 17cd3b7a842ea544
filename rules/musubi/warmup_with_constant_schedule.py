from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""Warm-up steps with the `constant` schedule, which refuses them.

    Why: `constant` is the default schedule. It takes no warm-up, and musubi raises a ValueError when it builds the
    schedule, after caching, text encoder and model are loaded.
    Instead: `--lr_scheduler constant_with_warmup` is the same schedule with the warm-up.
    Sources: kohya-ss/musubi-tuner@30c658c training/trainer_base.py lines 308-312 and 360-363; bmaltais/kohya_ss#2291,
    https://github.com/bmaltais/kohya_ss/issues/2291

    ```shell musubi-tuner flagged
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx --lr_warmup_steps 100
    ```
    ```shell musubi-tuner clean
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx --lr_warmup_steps 100 --lr_scheduler constant_with_warmup
    ```
    """
    scheduler, warmup = plan.get("lr_scheduler"), plan.get("lr_warmup_steps")
    name = str(plan.optimizer.name.value or "").lower()
    if not plan.training or scheduler.value != "constant" or plan.get("lr_scheduler_type").value:
        return
    if warmup.value and not name.endswith("schedulefree") and name != "adafactor":
        yield warmup.finding(
            f"{warmup.value:g} warm-up steps with `lr_scheduler` constant: musubi raises a ValueError after loading"
            if isinstance(warmup.value, (int, float))
            else "warm-up steps with `lr_scheduler` constant: musubi raises a ValueError after loading",
            "use `constant_with_warmup`",
            scheduler.write("constant_with_warmup"),
        )
