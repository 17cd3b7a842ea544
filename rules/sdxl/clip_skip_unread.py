from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source", trainer=("sd-scripts", "kohya_ss"))
def check(plan: Plan) -> Iterator[Finding]:
    """`clip_skip` on SDXL, which does not use it.

    Why: SDXL always takes the second-last layer of both encoders; sd-scripts warns that the option does not work and
    goes on.
    Instead: take it out.
    Sources: kohya-ss/sd-scripts@48d368fa library/sdxl_train_util.py line 351, library/train_util.py
    `get_hidden_states_sdxl`, https://github.com/kohya-ss/sd-scripts

    ```toml sd-scripts flagged
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    clip_skip = 2
    ```
    ```toml sd-scripts clean
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    max_token_length = 225
    ```
    """
    setting = plan.argument("clip_skip")
    if plan.training and setting.written and isinstance(setting.value, int) and setting.value > 1:
        yield setting.finding(
            f"clip_skip {setting.value} has no effect on SDXL", "take it out", setting.remove(safe=False)
        )
