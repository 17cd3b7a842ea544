from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Previews by step and by epoch: those by step are never drawn.

    Why: where `sample_every_n_epochs` is set, `sample_every_n_steps` is not looked at.
    Instead: keep one of them.
    Sources: kohya-ss/sd-scripts@48d368fa library/train_util.py line 6384, https://github.com/kohya-ss/sd-scripts

    ```toml sd-scripts flagged
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    sample_prompts = "prompts.txt"
    sample_every_n_epochs = 1
    sample_every_n_steps = 250
    ```
    ```toml sd-scripts clean
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    sample_prompts = "prompts.txt"
    sample_every_n_epochs = 1
    ```
    """
    steps, epochs = plan.argument("sample_every_n_steps"), plan.argument("sample_every_n_epochs")
    if plan.training and steps.written and steps.value and epochs.written and epochs.value:
        yield steps.finding(
            f"`{epochs.key}` is set too, and then this is not looked at", "keep one of them", steps.remove(safe=False)
        )
