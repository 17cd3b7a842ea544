from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

# The optimisers of these packages that check it; DAdaptAdaGrad and DAdaptAdan do not
ONE_RATE = ("prodigy", "dadaptation", "dadaptadampreprint", "dadaptadam", "dadaptlion", "dadaptsgd")


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Prodigy or D-Adaptation with different rates for UNet and text encoder.

    Why: these optimisers find one rate for all weights and raise a RuntimeError at their first step when groups have
    different rates other than 0. sd-scripts only warns that the first one counts.
    Instead: the same rate everywhere (1.0), or a rate of 0 or `network_train_unet_only` to leave the text encoder out.
    Sources: konstmish/prodigy 1.1.2 prodigyopt/prodigy.py line 151; facebookresearch/dadaptation 3.2 dadapt_adam.py
    line 150; kohya-ss/sd-scripts@48d368fa library/train_util.py line 4990, https://github.com/kohya-ss/sd-scripts

    ```toml sd-scripts flagged
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    optimizer_type = "Prodigy"
    unet_lr = 1.0
    text_encoder_lr = 0.5
    ```
    ```toml sd-scripts clean
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    optimizer_type = "Prodigy"
    unet_lr = 1.0
    text_encoder_lr = 1.0
    ```
    """
    name = str(plan.optimizer.name.value or "").lower()
    unet, text = plan.optimizer.learning_rate, plan.optimizer.text_encoder_learning_rate
    if not plan.training or name not in ONE_RATE or plan.argument("network_train_text_encoder_only").value:
        return
    numbers = isinstance(unet.value, (int, float)) and isinstance(text.value, (int, float))
    if numbers and unet.value and text.value and unet.value != text.value and (unet.written or text.written):
        setting = text if text.written else unet
        yield setting.finding(
            f"{plan.optimizer.name.value} with {unet.value:g} for the UNet and {text.value:g} for the text encoder: it "
            "takes one rate for all and stops with a RuntimeError at its first step",
            "give both the same rate, or leave the text encoder out",
        )
