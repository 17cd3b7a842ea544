from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A T5 learning rate without a text encoder rate: the GUI does not start.

    Why: the rates are handed on as a list of two, so `t5xxl_lr` needs `text_encoder_lr` above 0; otherwise the GUI logs
    an error and no training begins.
    Instead: set both, or neither.
    Sources: bmaltais/kohya_ss@45088f04 kohya_gui/lora_gui.py line 2068, https://github.com/bmaltais/kohya_ss

    ```json kohya_ss flagged
    {"LoRA_type": "Flux1", "network_dim": 16, "network_alpha": 16, "max_resolution": "1024,1024",
     "text_encoder_lr": 0, "unet_lr": 0.0001, "flux1_checkbox": true, "t5xxl_lr": 0.0001}
    ```
    ```json kohya_ss clean
    {"LoRA_type": "Flux1", "network_dim": 16, "network_alpha": 16, "max_resolution": "1024,1024",
     "text_encoder_lr": 0.0001, "unet_lr": 0.0001, "flux1_checkbox": true, "t5xxl_lr": 0.0001}
    ```
    """
    t5, text = plan.get("t5xxl_lr"), plan.get("text_encoder_lr")
    if plan.training and t5.written and isinstance(t5.value, (int, float)) and t5.value > 0 and text.value == 0:
        yield t5.finding("`text_encoder_lr` is 0: the GUI logs an error and does not start", "set both, or neither")
