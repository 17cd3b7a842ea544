from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`save_last_n_steps` is given as a number of checkpoints.

    Why: it counts steps. A value below the save interval keeps only the newest checkpoint: each save deletes the one
    before. That is what 1 asks for, whichever way it is read.
    Instead: the interval, times the number of checkpoints to keep beside the newest.
    Sources: kohya-ss/sd-scripts@48d368fa library/train_util.py line 5796 `get_remove_step_no`,
    https://github.com/kohya-ss/sd-scripts

    ```toml sd-scripts flagged
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    max_train_steps = 2000
    save_every_n_steps = 250
    save_last_n_steps = 4
    ```
    ```toml sd-scripts clean
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    max_train_steps = 2000
    save_every_n_steps = 250
    save_last_n_steps = 750
    ```
    ```toml sd-scripts clean
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    max_train_steps = 2000
    save_every_n_steps = 250
    save_last_n_steps_state = 1
    ```
    """
    every = plan.argument("save_every_n_steps").value
    for key in ("save_last_n_steps", "save_last_n_steps_state"):
        last = plan.argument(key)
        steps = last.value
        if plan.training and last.written and isinstance(every, int) and isinstance(steps, int) and 1 < steps < every:
            yield last.finding(
                f"{steps} steps, with a save every {every}: only the newest is kept",
                f"set it to {(steps - 1) * every} to keep {steps}",
                last.write((steps - 1) * every, safe=False),
            )
