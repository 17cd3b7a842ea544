import re
from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

PAIRS = re.compile(r"^(\S+=\S+)( \S+=\S+)*$|^$")


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`optimizer_args` that the GUI's check refuses: no training begins.

    Why: pairs must be `name=value` with exactly one blank between them and none within; for anything else the GUI logs
    a line and does not start.
    Instead: write `betas=0.9,0.99 weight_decay=0.01`.
    Sources: bmaltais/kohya_ss@45088f04 kohya_gui/common_gui.py line 1779 `validate_args_setting`,
    https://github.com/bmaltais/kohya_ss

    ```json kohya_ss flagged
    {"LoRA_type": "Standard", "sdxl": true, "network_dim": 16, "network_alpha": 16,
     "max_resolution": "1024,1024", "text_encoder_lr": 0, "unet_lr": 0.0001,
     "optimizer_args": "betas=0.9, 0.99 weight_decay=0.01"}
    ```
    ```json kohya_ss clean
    {"LoRA_type": "Standard", "sdxl": true, "network_dim": 16, "network_alpha": 16,
     "max_resolution": "1024,1024", "text_encoder_lr": 0, "unet_lr": 0.0001,
     "optimizer_args": "betas=0.9,0.99 weight_decay=0.01"}
    ```
    """
    for key in ("optimizer_args", "lr_scheduler_args"):
        setting = plan.get(key)
        text = setting.value
        if plan.training and setting.written and isinstance(text, str) and not PAIRS.match(text):
            better = " ".join(re.sub(r"\s*([=,])\s*", r"\1", text).split())
            good = better if PAIRS.match(better) else None
            yield setting.finding(
                "not `name=value` pairs with one blank between them: the GUI logs a line and does not start",
                f"write `{good}`" if good else "write `name=value name=value`",
                setting.write(good, safe=False) if good else None,
            )
