from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Adafactor without `relative_step=False`: the learning rates are dropped.

    Why: `relative_step` is True unless told otherwise; then Adafactor sets its own rate from the step count,
    `learning_rate`, `unet_lr` and `text_encoder_lr` are removed and `lr_scheduler` is replaced by Adafactor's.
    Instead: add `relative_step=False scale_parameter=False warmup_init=False` to `optimizer_args` to train at the rate
    you set. If Adafactor's own rate is meant, set `lr_scheduler` to `adafactor`: then this is not said.
    Sources: kohya-ss/sd-scripts@48d368fa library/train_util.py lines 5040-5075; docs/flux_train_network.md (the
    Adafactor recipe), https://github.com/kohya-ss/sd-scripts

    ```toml sd-scripts flagged
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    optimizer_type = "Adafactor"
    learning_rate = 1e-4
    lr_scheduler = "cosine"
    ```
    ```toml sd-scripts clean
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    optimizer_type = "Adafactor"
    optimizer_args = ["relative_step=False", "scale_parameter=False", "warmup_init=False"]
    learning_rate = 1e-4
    lr_scheduler = "constant_with_warmup"
    lr_warmup_steps = 100
    ```
    """
    name, schedule = plan.optimizer.name, plan.argument("lr_scheduler")
    if not plan.training or str(name.value).lower() != "adafactor" or plan.optimizer.scheduler.value != "adafactor":
        return
    if plan.config.unread("optimizer_args"):
        return
    rate = next((plan.argument(key) for key in ("unet_lr", "learning_rate") if plan.argument(key).value), None)
    if rate is not None and rate.written and schedule.value != "adafactor":
        yield rate.finding(
            f"learning rate {rate.value} is dropped, and the schedule too: Adafactor sets its own rate unless it gets "
            "`relative_step=False`",
            "add `relative_step=False scale_parameter=False warmup_init=False` to `optimizer_args`",
        )
