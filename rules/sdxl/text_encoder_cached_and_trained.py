from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source", trainer=("sd-scripts", "kohya_ss"))
def check(plan: Plan) -> Iterator[Finding]:
    """SDXL text encoder outputs are cached while the text encoders are trained.

    Why: unless `network_train_unet_only` is set, sd-scripts trains both text encoders, which a cached output does not
    allow: an assertion stops the run at start. The SDXL command of the documentation does this.
    Instead: set `network_train_unet_only` (in the GUI: a text encoder rate of 0), or do not cache.
    Sources: kohya-ss/sd-scripts@48d368fa sdxl_train_network.py line 44 and docs/sdxl_train_network.md,
    https://github.com/kohya-ss/sd-scripts

    ```toml sd-scripts flagged
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    cache_text_encoder_outputs = true
    ```
    ```toml sd-scripts clean
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    cache_text_encoder_outputs = true
    network_train_unet_only = true
    ```
    ```json kohya_ss flagged
    {"LoRA_type": "Standard", "sdxl": true, "sdxl_cache_text_encoder_outputs": true, "text_encoder_lr": 0.0001,
     "unet_lr": 0.0001, "network_dim": 16, "network_alpha": 16, "max_resolution": "1024,1024"}
    ```
    """
    alone = plan.argument("network_train_unet_only")
    if plan.training and plan.cache_text.value and plan.cache_text.written and not alone.value and not plan.config.open:
        gui, sure = plan.handed is not None, bool(plan.script) or alone.written
        finding = plan.cache_text.finding(
            "the text encoders are trained too, which cached outputs do not allow: an assertion stops the run at start"
            f"{'' if sure else ', unless the command line has `--network_train_unet_only`'}",
            "set `text_encoder_lr` to 0" if gui else "set `network_train_unet_only`, or do not cache",
            None if gui else alone.write(True, safe=False),
        )
        yield finding if sure else finding._replace(level="warning")
