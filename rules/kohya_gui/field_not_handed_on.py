from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A field that the GUI does not hand to sd-scripts for this kind of LoRA.

    Why: the GUI picks the fields it writes by LoRA type and noise type; the rest stays in the JSON file without a
    message in the run.
    Instead: use `additional_parameters` where sd-scripts has the option, or another LoRA type.
    Sources: bmaltais/kohya_ss@45088f04 kohya_gui/lora_gui.py lines 1855-2060 (`kohya_lora_var_list`) and 2240-2300,
    https://github.com/bmaltais/kohya_ss

    ```json kohya_ss flagged
    {"LoRA_type": "Flux1", "network_dim": 16, "network_alpha": 16, "max_resolution": "1024,1024",
     "text_encoder_lr": 0, "unet_lr": 0.0001, "flux1_checkbox": true, "train_blocks": "single"}
    ```
    ```json kohya_ss clean
    {"LoRA_type": "Flux1", "network_dim": 16, "network_alpha": 16, "max_resolution": "1024,1024",
     "text_encoder_lr": 0, "unet_lr": 0.0001, "flux1_checkbox": true, "train_blocks": "all"}
    ```
    ```json kohya_ss flagged
    {"LoRA_type": "Standard", "sdxl": true, "network_dim": 16, "network_alpha": 16,
     "max_resolution": "1024,1024", "text_encoder_lr": 0, "unet_lr": 0.0001, "noise_offset_type": "Original",
     "multires_noise_iterations": 8}
    ```
    """
    kind, noise = plan.get("LoRA_type").value, plan.get("noise_offset_type").value
    if not plan.training:
        return
    blocks = plan.get("train_blocks")
    if kind == "Flux1" and blocks.written and blocks.value in ("single", "double") and not plan.get("split_mode").value:
        yield blocks.finding(
            f"the GUI does not hand `train_blocks` on: all blocks are trained, not only the {blocks.value} ones",
            "use `train_double_block_indices` and `train_single_block_indices`",
        )
    stop = plan.get("stop_text_encoder_training")
    if stop.written and isinstance(stop.value, (int, float)) and stop.value > 0:
        yield stop.finding("not supported for LoRA: the text encoder is trained to the end", "lower `text_encoder_lr`")
    for key, wanted in (("noise_offset", "Original"), ("multires_noise_iterations", "Multires")):
        setting = plan.get(key)
        if setting.written and isinstance(setting.value, (int, float)) and setting.value > 0 and noise != wanted:
            yield setting.finding(
                f"`noise_offset_type` is {noise}, and then `{key}` is not handed on", f"set `noise_offset_type` to "
                f"{wanted}"
            )._replace(level="note")
