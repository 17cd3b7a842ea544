from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`mixed_precision` fp8, which sd-scripts does not have.

    Why: the GUI offers it and hands it on; sd-scripts knows no, fp16 and bf16, and for anything else keeps the weights
    in fp32.
    Instead: set bf16, and `fp8_base` for fp8 weights.
    Sources: bmaltais/kohya_ss@45088f04 kohya_gui/class_accelerate_launch.py; kohya-ss/sd-scripts@48d368fa
    library/train_util.py line 5507 `prepare_dtype`, https://github.com/bmaltais/kohya_ss

    ```json kohya_ss flagged
    {"LoRA_type": "Standard", "sdxl": true, "network_dim": 16, "network_alpha": 16,
     "max_resolution": "1024,1024", "text_encoder_lr": 0, "unet_lr": 0.0001, "mixed_precision": "fp8"}
    ```
    ```json kohya_ss clean
    {"LoRA_type": "Standard", "sdxl": true, "network_dim": 16, "network_alpha": 16,
     "max_resolution": "1024,1024", "text_encoder_lr": 0, "unet_lr": 0.0001, "mixed_precision": "bf16"}
    ```
    """
    setting = plan.get("mixed_precision")
    if plan.training and setting.value == "fp8":
        yield setting.finding(
            "sd-scripts has no fp8 mixed precision: the weights are kept in fp32",
            "set bf16, and `fp8_base` for fp8 weights",
            setting.write("bf16", safe=False),
        )
