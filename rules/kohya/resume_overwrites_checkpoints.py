from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`resume` counts its steps from 0 again.

    Why: the state restores weights, optimiser and schedule, but the step counter starts at 0 unless
    `skip_until_initial_step` is set: files named by step are overwritten, and a begun epoch is trained again from its
    start.
    Instead: set `skip_until_initial_step`, or another `output_name`.
    Sources: kohya-ss/sd-scripts@48d368fa train_network.py lines 1232-1275; kohya-ss/sd-scripts#1359,
    https://github.com/kohya-ss/sd-scripts/issues/1359

    ```toml sd-scripts flagged
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    max_train_steps = 4000
    save_every_n_steps = 250
    resume = "out/zwx-step00002000-state"
    ```
    ```toml sd-scripts clean
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    max_train_steps = 4000
    save_every_n_steps = 250
    resume = "out/zwx-step00002000-state"
    skip_until_initial_step = true
    ```
    """
    resume, every = plan.argument("resume"), plan.argument("save_every_n_steps")
    if not plan.training or not resume.written or not resume.value or plan.argument("skip_until_initial_step").value:
        return
    lost = "the files saved by step before are overwritten" if every.value else "a begun epoch is trained again"
    finding = resume.finding(f"steps are counted from 0 again: {lost}", "set `skip_until_initial_step`")
    yield finding if every.value else finding._replace(level="note")
