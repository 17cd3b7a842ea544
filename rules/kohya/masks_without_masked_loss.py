from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="reproduced")
def check(plan: Plan) -> Iterator[Finding]:
    """A subset has `conditioning_data_dir`, and `masked_loss` is off.

    Why: without `masked_loss` the schema of the dataset config does not know the key and refuses the file at start.
    Instead: add `masked_loss`.
    Sources: kohya-ss/sd-scripts@48d368fa train_network.py (`ConfigSanitizer(True, True, args.masked_loss, True)`),
    library/config_util.py, https://github.com/kohya-ss/sd-scripts

    ```toml file dataset.toml
    [[datasets]]
    resolution = 1024
    [[datasets.subsets]]
    image_dir = "data/zwx"
    caption_extension = ".txt"
    conditioning_data_dir = "data/masks"
    ```
    ```toml sd-scripts flagged
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    dataset_config = "dataset.toml"
    ```
    ```toml file dataset.toml
    [[datasets]]
    resolution = 1024
    [[datasets.subsets]]
    image_dir = "data/zwx"
    caption_extension = ".txt"
    conditioning_data_dir = "data/masks"
    ```
    ```toml sd-scripts clean
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    dataset_config = "dataset.toml"
    masked_loss = true
    ```
    """
    on = plan.argument("masked_loss")
    if not plan.training or on.value or plan.config.open or on.origin == "unknown":
        return
    for config in plan.dataset_configs:
        for key, setting in config.written():
            if config.table.name == "dataset" and key.endswith(".conditioning_data_dir"):
                finding = setting.finding(
                    "without `masked_loss` the schema does not know `conditioning_data_dir`: the dataset config is "
                    f"refused{'' if plan.script else ', unless the command line has it'}",
                    "set `masked_loss`",
                    on.write(True, safe=False),
                )
                yield finding if plan.script else finding._replace(level="warning")
