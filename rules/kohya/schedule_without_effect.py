from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source", trainer="sd-scripts")
def check(plan: Plan) -> Iterator[Finding]:
    """A schedule or warm-up with a schedule-free optimiser.

    Why: for optimisers whose name ends in ScheduleFree a dummy scheduler is made: `lr_scheduler` and `lr_warmup_steps`
    are not looked at.
    Instead: remove them; these optimisers take `warmup_steps` in `optimizer_args`.
    Sources: kohya-ss/sd-scripts@48d368fa library/train_util.py line 5270 `get_scheduler_fix`,
    https://github.com/kohya-ss/sd-scripts

    ```toml sd-scripts flagged
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    optimizer_type = "AdamWScheduleFree"
    lr_scheduler = "cosine"
    ```
    ```toml sd-scripts clean
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    optimizer_type = "AdamWScheduleFree"
    optimizer_args = ["warmup_steps=100"]
    ```
    """
    name = str(plan.optimizer.name.value or "")
    if not plan.training or not name.lower().endswith("schedulefree"):
        return
    for key in ("lr_scheduler", "lr_warmup_steps"):
        setting = plan.get(key)
        if setting.written and setting.value and setting.value != "constant":
            yield setting.finding(f"`{name}` has no schedule: this is not looked at", "remove it", setting.remove())
