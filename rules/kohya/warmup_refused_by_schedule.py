from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""Warm-up steps with a schedule that refuses them.

    Why: `constant` (the default), Adafactor's own schedule and every `lr_scheduler_type` raise a ValueError when the
    warm-up is not 0, and the schedule is made after the model is loaded and everything is cached.
    Instead: `constant_with_warmup`, or no warm-up.
    Sources: kohya-ss/sd-scripts@48d368fa library/train_util.py lines 5294-5330 `get_scheduler_fix`;
    bmaltais/kohya_ss#2291, https://github.com/bmaltais/kohya_ss/issues/2291

    ```shell sd-scripts flagged
    accelerate launch sdxl_train_network.py --pretrained_model_name_or_path models/sd_xl_base_1.0.safetensors \
      --dataset_config dataset.toml --output_dir out --network_module networks.lora --network_dim 16 \
      --network_alpha 16 --learning_rate 1e-4 --lr_warmup_steps 100 --max_train_epochs 10
    ```
    ```shell sd-scripts clean
    accelerate launch sdxl_train_network.py --pretrained_model_name_or_path models/sd_xl_base_1.0.safetensors \
      --dataset_config dataset.toml --output_dir out --network_module networks.lora --network_dim 16 \
      --network_alpha 16 --learning_rate 1e-4 --lr_warmup_steps 100 --lr_scheduler constant_with_warmup \
      --max_train_epochs 10
    ```
    ```json kohya_ss flagged
    {"LoRA_type": "Standard", "sdxl": true, "optimizer": "Adafactor", "optimizer_args": "", "lr_scheduler": "cosine",
     "lr_warmup": 10, "network_dim": 16, "network_alpha": 16, "max_resolution": "1024,1024"}
    ```
    """
    warmup, scheduler = plan.argument("lr_warmup_steps"), plan.optimizer.scheduler
    if not plan.training or not warmup.written or not isinstance(warmup.value, (int, float)) or not warmup.value:
        return
    custom, name = plan.argument("lr_scheduler_type").value, str(scheduler.value)
    if plan.trainer == "kohya_ss" and name == "constant":
        return  # the GUI sets the warm-up to 0 when this is picked (class_basic_training.py:321)
    if custom or name in ("constant", "adafactor"):
        whose = "Adafactor's own schedule" if name == "adafactor" else f"`{name}`"
        yield warmup.finding(
            f"a warm-up with {whose}, which takes none: a ValueError stops the run after the model is loaded and "
            "everything is cached",
            "set `lr_scheduler` to `constant_with_warmup`" if name == "constant" else f"set `{warmup.key}` to 0",
            plan.argument("lr_scheduler").write("constant_with_warmup", safe=False) if name == "constant" else None,
        )
