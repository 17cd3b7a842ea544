from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Warm-up steps written as a float in the config file: they become a ratio.

    Why: on the command line `100.0` is read as 100 steps, but values of a `--config_file` are not converted, and a
    float is multiplied by the total number of steps: 100.0 asks for a warm-up a hundred times as long as the run, and
    the learning rate never leaves zero. A percentage, which the flag accepts, is text in the file and stops the run.
    Instead: write an integer for steps, or a float below 1 for a share of the run.
    Sources: kohya-ss/musubi-tuner@30c658c training/trainer_base.py lines 288-293, training/parser_common.py lines 20-32
    and 774-811, https://github.com/kohya-ss/musubi-tuner

    ```toml musubi-tuner flagged
    dit = "models/flux-2-klein-base-9b.safetensors"
    model_version = "klein-base-9b"
    dataset_config = "dataset.toml"
    optimizer_type = "adamw8bit"
    learning_rate = 1e-4
    lr_scheduler = "constant_with_warmup"
    lr_warmup_steps = 100.0
    network_module = "networks.lora_flux_2"
    max_train_steps = 2000
    ```
    ```toml musubi-tuner clean
    dit = "models/flux-2-klein-base-9b.safetensors"
    model_version = "klein-base-9b"
    dataset_config = "dataset.toml"
    optimizer_type = "adamw8bit"
    learning_rate = 1e-4
    lr_scheduler = "constant_with_warmup"
    lr_warmup_steps = 100
    network_module = "networks.lora_flux_2"
    max_train_steps = 2000
    ```
    """
    for key in ("lr_warmup_steps", "lr_decay_steps"):
        setting = plan.get(key)
        value = setting.value
        if not plan.training or not setting.written or setting.key.startswith("--"):
            continue
        if isinstance(value, float) and 1 <= value < 1e9:
            yield setting.finding(
                f"`{key} = {value}` is a float, and so a ratio: {value:g} times the length of the run",
                f"write {int(value)}",
                setting.write(int(value)),
            )
        elif isinstance(value, str) and value.endswith("%"):
            yield setting.finding(
                f"`{key} = \"{value}\"` is text in a config file: musubi stops with a TypeError after loading",
                "write the share as a float, as in 0.05",
            )
