from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""A flag with a list of values is given twice: only the last list counts.

    Why: argparse stores the words behind `--network_args`, `--optimizer_args` and the like anew each time, so the first
    list is gone without a message.
    Instead: put all pairs behind one flag.
    Sources: kohya-ss/sd-scripts@48d368fa train_network.py line 1806 (`nargs="*"`, no `action="append"`),
    https://github.com/kohya-ss/sd-scripts

    ```shell sd-scripts flagged
    accelerate launch sdxl_train_network.py --pretrained_model_name_or_path models/sd_xl_base_1.0.safetensors \
      --dataset_config dataset.toml --output_dir out --network_module networks.lora --network_dim 16 \
      --network_alpha 16 --learning_rate 1e-4 --max_train_epochs 10 \
      --network_args conv_dim=8 --network_args conv_alpha=8
    ```
    ```shell sd-scripts clean
    accelerate launch sdxl_train_network.py --pretrained_model_name_or_path models/sd_xl_base_1.0.safetensors \
      --dataset_config dataset.toml --output_dir out --network_module networks.lora --network_dim 16 \
      --network_alpha 16 --learning_rate 1e-4 --max_train_epochs 10 \
      --network_args conv_dim=8 conv_alpha=8
    ```
    """
    for config in (plan.config, *((plan.launch,) if plan.launch else ())):
        for setting in config.repeated:
            if isinstance(setting.value, list) and setting.value:
                lost = " ".join(str(word) for word in setting.value)
                yield setting.finding(
                    f"`{setting.key}` is given again later, and only that list counts: `{lost}` is dropped",
                    f"put all values behind one `{setting.key}`",
                )
