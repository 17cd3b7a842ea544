from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`caption_extension` is empty: sd-scripts looks for `.caption` files.

    Why: an empty field is left out of the file the GUI writes, and sd-scripts' default is `.caption`, not the `.txt`
    that most captions have. Several shipped presets leave it empty.
    Instead: set `.txt`.
    Sources: bmaltais/kohya_ss@45088f04 kohya_gui/lora_gui.py line 2565; presets/lora; bmaltais/kohya_ss#1936,
    https://github.com/bmaltais/kohya_ss/issues/1936

    ```json kohya_ss flagged
    {"LoRA_type": "Standard", "sdxl": true, "network_dim": 16, "network_alpha": 16,
     "max_resolution": "1024,1024", "text_encoder_lr": 0, "unet_lr": 0.0001, "caption_extension": ""}
    ```
    ```json kohya_ss clean
    {"LoRA_type": "Standard", "sdxl": true, "network_dim": 16, "network_alpha": 16,
     "max_resolution": "1024,1024", "text_encoder_lr": 0, "unet_lr": 0.0001, "caption_extension": ".txt"}
    ```
    """
    setting = plan.get("caption_extension")
    if not plan.training or not setting.written or setting.value:
        return
    if plan.datasets and all(data.listing is not None or data.caption_extension.written for data in plan.datasets):
        return  # the captions were looked at, or the dataset config says it
    if plan.get("dataset_config").value and not plan.datasets:
        return
    yield setting.finding(
        "empty: the GUI leaves it out and sd-scripts looks for `.caption` files",
        "set `.txt`",
        setting.write(".txt", safe=False),
    )
