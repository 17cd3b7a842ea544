from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`epoch` is set, and another field decides how long the run is.

    Why: `epoch` counts only where `max_train_steps` and `max_train_epochs` are 0 and no `dataset_config` is used. The
    field `max_train_steps` holds 1600 unless changed, and presets from before it existed leave it so.
    Instead: set `max_train_steps` to 0 to train by epochs; with a dataset config use `max_train_epochs`.
    Sources: bmaltais/kohya_ss@45088f04 kohya_gui/lora_gui.py lines 1607-1730; bmaltais/kohya_ss#2976,
    https://github.com/bmaltais/kohya_ss/issues/2976

    ```json kohya_ss flagged
    {"LoRA_type": "Standard", "sdxl": true, "network_dim": 16, "network_alpha": 16,
     "max_resolution": "1024,1024", "text_encoder_lr": 0, "unet_lr": 0.0001, "epoch": 10,
     "max_train_steps": 1600}
    ```
    ```json kohya_ss clean
    {"LoRA_type": "Standard", "sdxl": true, "network_dim": 16, "network_alpha": 16,
     "max_resolution": "1024,1024", "text_encoder_lr": 0, "unet_lr": 0.0001, "epoch": 10, "max_train_steps": 0}
    ```
    ```json kohya_ss flagged
    {"LoRA_type": "Standard", "sdxl": true, "network_dim": 16, "network_alpha": 16,
     "max_resolution": "1024,1024", "text_encoder_lr": 0, "unet_lr": 0.0001, "epoch": 10, "max_train_steps": 0,
     "dataset_config": "dataset.toml"}
    ```
    """
    epoch, steps, epochs = plan.get("epoch"), plan.get("max_train_steps"), plan.get("max_train_epochs")
    if not plan.training or not epoch.written or not isinstance(epoch.value, int) or epoch.value <= 1:
        return
    if epochs.value == epoch.value:
        return
    if epochs.value:
        yield epoch.finding(
            f"`max_train_epochs` is {epochs.value}: `epoch` {epoch.value} is not looked at", "set one of them"
        )
    elif plan.get("dataset_config").value:
        total = steps.value or 1600
        yield epoch.finding(
            f"with a `dataset_config` `epoch` is not looked at: {total} steps are trained", "set `max_train_epochs`"
        )
    elif steps.value and steps.written:
        yield epoch.finding(
            f"`max_train_steps` is {steps.value}: `epoch` {epoch.value} is not looked at",
            "set `max_train_steps` to 0",
            steps.write(0, safe=False),
        )
    elif steps.value:
        yield epoch.finding(
            "no `max_train_steps` in this file: the field keeps what it holds (1600 at start), and `epoch` "
            f"{epoch.value} is not looked at",
            "set `max_train_steps` to 0",
            steps.write(0, safe=False),
        )
