from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Warm-up steps written with a decimal point.

    Why: in a config file a float is a share of the run: `100.0` is a warm-up of a hundred times its length, and the
    learning rate never leaves 0. On the command line `100.0` is refused by argparse.
    Instead: an integer for steps, a number below 1 for a share.
    Sources: kohya-ss/sd-scripts@48d368fa library/train_util.py line 5275 (`int(args.lr_warmup_steps *
    num_training_steps)` for a float) and line 3664, https://github.com/kohya-ss/sd-scripts

    ```toml sd-scripts flagged
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    lr_scheduler = "cosine"
    lr_warmup_steps = 100.0
    ```
    ```toml sd-scripts clean
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    lr_scheduler = "cosine"
    lr_warmup_steps = 100
    ```
    """
    for key in ("lr_warmup_steps", "lr_decay_steps"):
        setting = plan.get(key)
        value = setting.value
        if not plan.training or plan.handed is not None or not isinstance(value, float) or not 1 <= value < 1e9:
            continue
        taken = f"taken as {value:g} times the length of the run, and the learning rate stays at 0"
        yield setting.finding(
            f"{value} is a float: {'refused on a command line' if setting.key.startswith('--') else taken}",
            f"write {int(value)}",
            setting.write(int(value), safe=False),
        )
