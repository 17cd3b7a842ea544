from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source", trainer=("sd-scripts", "kohya_ss"))
def check(plan: Plan) -> Iterator[Finding]:
    """Two text encoder rates, of which SDXL LoRA uses the first for both.

    Why: `networks.lora` takes one rate for the text encoders; of a list the first is used.
    Instead: give one rate. Separate rates for the two encoders are not possible with this module.
    Sources: kohya-ss/sd-scripts@48d368fa train_network.py lines 733-741 (networks/lora.py has no
    `prepare_optimizer_params_with_multiple_te_lrs`), https://github.com/kohya-ss/sd-scripts

    ```toml sd-scripts flagged
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    text_encoder_lr = [5e-5, 1e-5]
    ```
    ```toml sd-scripts clean
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    text_encoder_lr = 5e-5
    ```
    """
    setting = plan.argument("text_encoder_lr")
    rates = setting.value
    if not plan.training or plan.argument("network_module").value not in ("networks.lora", "networks.lora_fa"):
        return
    if setting.written and isinstance(rates, list) and len(set(map(str, rates))) > 1:
        yield setting.finding(
            f"both text encoders are trained at {rates[0]}: the second rate is not used", "give one rate"
        )
