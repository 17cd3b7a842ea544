from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`train_data_dir` stands beside `dataset_config` and is ignored.

    Why: with a dataset config, `train_data_dir`, `reg_data_dir` and `in_json` are not looked at.
    Instead: remove them, or the dataset config.
    Sources: kohya-ss/sd-scripts@48d368fa train_network.py ("ignoring the following options because config file is
    found"), https://github.com/kohya-ss/sd-scripts

    ```toml sd-scripts flagged
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    dataset_config = "dataset.toml"
    train_data_dir = "data"
    ```
    ```toml sd-scripts clean
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    dataset_config = "dataset.toml"
    ```
    """
    if not plan.training or not plan.argument("dataset_config").value:
        return
    for key in ("train_data_dir", "reg_data_dir", "in_json"):
        setting = plan.argument(key)
        if setting.written and setting.value:
            yield setting.finding(
                "there is a `dataset_config`, and then this is not looked at",
                "remove one of them",
                setting.remove(safe=False),
            )
