from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`no_metadata`: the LoRA will not say how it was trained.

    Why: steps, learning rate, tags and dataset stay out of the file, so neither you nor a tool can tell later what made
    one checkpoint better than another.
    Instead: leave it out while you experiment; metadata can be stripped from the file you publish.
    Sources: kohya-ss/sd-scripts@48d368fa train_network.py `save_model` (`minimum_metadata`),
    https://github.com/kohya-ss/sd-scripts

    ```toml sd-scripts flagged
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    no_metadata = true
    ```
    ```toml sd-scripts clean
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    training_comment = "third try, fewer repeats"
    ```
    """
    setting = plan.argument("no_metadata")
    if plan.training and setting.written and setting.value:
        yield setting.finding(
            "only base model, rank and alpha are written into the file: how it was trained can't be told from it later",
            "leave it out while you compare runs",
            setting.remove(safe=False),
        )
