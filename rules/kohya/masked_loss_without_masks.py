from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`masked_loss` is on and nothing says where the masks are.

    Why: the loss is masked only where a subset has `conditioning_data_dir` or `alpha_mask`. Otherwise it is returned as
    it is, without a message; with `train_data_dir` only `alpha_mask` does anything.
    Instead: name the mask folder in a dataset config (`conditioning_data_dir`), or use images with an alpha channel and
    `alpha_mask`.
    Sources: kohya-ss/sd-scripts@48d368fa library/custom_train_functions.py `apply_masked_loss`;
    docs/masked_loss_README.md, https://github.com/kohya-ss/sd-scripts

    ```toml sd-scripts flagged
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    train_data_dir = "data"
    masked_loss = true
    ```
    ```toml sd-scripts clean
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    train_data_dir = "data"
    masked_loss = true
    alpha_mask = true
    ```
    """
    setting = plan.argument("masked_loss")
    if not plan.training or not setting.written or not setting.value or plan.config.open:
        return
    if plan.argument("alpha_mask").value:
        return
    data = [config for config in plan.dataset_configs if config.table.name == "dataset"]
    if plan.argument("dataset_config").value and not data:
        return
    keys = {key.rpartition(".")[2] for config in data for key, found in config.written() if found.value}
    if not keys & {"conditioning_data_dir", "alpha_mask"}:
        yield setting.finding(
            "no subset has `conditioning_data_dir` or `alpha_mask`: the loss is not masked",
            "name the masks in a dataset config",
        )
