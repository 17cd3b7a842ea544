from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

NEEDED = {
    "full_bf16": ("bf16",),
    "full_fp16": ("fp16",),
    "fp8_base": ("bf16", "fp16"),
    "fp8_base_unet": ("bf16", "fp16"),
}


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""Full half precision or fp8 weights without the `mixed_precision` they need.

    Why: `full_bf16` needs bf16, `full_fp16` needs fp16, `fp8_base` needs either. The assertion is made after the model
    is loaded and everything is cached.
    Instead: set `mixed_precision` to match.
    Sources: kohya-ss/sd-scripts@48d368fa train_network.py (`full_fp16 requires mixed precision`, `fp8_base requires
    mixed precision`), https://github.com/kohya-ss/sd-scripts

    ```shell sd-scripts flagged
    accelerate launch sdxl_train_network.py --pretrained_model_name_or_path models/sd_xl_base_1.0.safetensors \
      --output_dir out --network_module networks.lora --network_dim 16 --network_alpha 16 --learning_rate 1e-4 \
      --max_train_epochs 10 --save_every_n_epochs 1 \
      --dataset_config dataset.toml --full_bf16
    ```
    ```shell sd-scripts clean
    accelerate launch sdxl_train_network.py --pretrained_model_name_or_path models/sd_xl_base_1.0.safetensors \
      --output_dir out --network_module networks.lora --network_dim 16 --network_alpha 16 --learning_rate 1e-4 \
      --max_train_epochs 10 --save_every_n_epochs 1 \
      --dataset_config dataset.toml --full_bf16 --mixed_precision bf16
    ```
    """
    mode = plan.argument("mixed_precision")
    if not plan.training or plan.config.open or mode.origin == "unknown":
        return
    for key, wanted in NEEDED.items():
        flag = plan.argument(key)
        if flag.written and flag.value and mode.value not in wanted:
            sure = bool(plan.script) or mode.written
            finding = flag.finding(
                f"`{flag.key}` with `mixed_precision` {mode.value}: an assertion stops the run after the model is "
                f"loaded and everything is cached{'' if sure else ', unless the command line has another'}",
                f"set `mixed_precision` to {wanted[0]}",
                mode.write(wanted[0], safe=False),
            )
            yield finding if sure else finding._replace(level="warning")
