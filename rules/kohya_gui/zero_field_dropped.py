from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

DEFAULTS = {"max_grad_norm": 1.0, "prior_loss_weight": 1.0, "network_alpha": 1}
FLUX = {"guidance_scale": 3.5, "discrete_flow_shift": 3.0}


@rule(level="error", evidence="reproduced")
def check(plan: Plan) -> Iterator[Finding]:
    """A 0 that the GUI leaves out, so that sd-scripts takes its default.

    Why: the GUI drops every value that equals "", False or None before it writes the file, and 0 equals False. Where
    the default is not 0, the opposite of what was set is trained.
    Instead: give it in `additional_parameters`, such as `--max_grad_norm 0`.
    Sources: bmaltais/kohya_ss@45088f04 kohya_gui/lora_gui.py line 2565 (`value not in ["", False, None]`),
    https://github.com/bmaltais/kohya_ss

    ```json kohya_ss flagged
    {"LoRA_type": "Standard", "sdxl": true, "network_dim": 16, "network_alpha": 16,
     "max_resolution": "1024,1024", "text_encoder_lr": 0, "unet_lr": 0.0001, "max_grad_norm": 0}
    ```
    ```json kohya_ss clean
    {"LoRA_type": "Standard", "sdxl": true, "network_dim": 16, "network_alpha": 16,
     "max_resolution": "1024,1024", "text_encoder_lr": 0, "unet_lr": 0.0001, "max_grad_norm": 0,
     "additional_parameters": "--max_grad_norm 0"}
    ```
    """
    flux = bool(plan.get("flux1_checkbox").value) and plan.get("model_type").value != "chroma"
    for key, default in (*DEFAULTS.items(), *(FLUX.items() if flux else ())):
        setting = plan.get(key)
        told = plan.launch is not None and plan.launch.has(key)
        if plan.training and setting.written and setting.value == 0 and not told:
            yield setting.finding(
                f"0 is dropped before the GUI writes its file: sd-scripts takes its default, {default}",
                f"add `--{key} 0` to `additional_parameters`" if key != "network_alpha" else "set it to the rank",
            )
