from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

_UNET = ("networks.lora", "networks.dylora", "networks.lora_fa", "networks.oft")
_NATIVE = ("networks.loha", "networks.lokr")
OWN = {
    "train_network.py": (*_UNET, *_NATIVE),
    "sdxl_train_network.py": (*_UNET, *_NATIVE),
    "flux_train_network.py": ("networks.lora_flux", "networks.oft_flux"),
    "sd3_train_network.py": ("networks.lora_sd3",),
    "lumina_train_network.py": ("networks.lora_lumina",),
    "hunyuan_image_train_network.py": ("networks.lora_hunyuan_image",),
    "anima_train_network.py": ("networks.lora_anima", *_NATIVE),
}


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""The network module belongs to another model than the script.

    Why: each module looks for the layers of its own model by class name. In another model it finds none, so that only a
    text encoder is trained, or it stops on a missing attribute after everything is cached.
    Instead: use the module in the message.
    Sources: kohya-ss/sd-scripts@48d368fa networks/lora.py `UNET_TARGET_REPLACE_MODULE`, networks/lora_flux.py
    `FLUX_TARGET_REPLACE_MODULE_DOUBLE`, flux_train_network.py line 213 (`network.train_t5xxl`),
    https://github.com/kohya-ss/sd-scripts

    ```shell sd-scripts flagged
    accelerate launch flux_train_network.py --pretrained_model_name_or_path models/flux1-dev.safetensors \
      --clip_l models/clip_l.safetensors --t5xxl models/t5xxl_fp16.safetensors --ae models/ae.safetensors \
      --dataset_config dataset.toml --output_dir out --network_module networks.lora \
      --network_dim 16 --network_alpha 16
    ```
    ```shell sd-scripts clean
    accelerate launch flux_train_network.py --pretrained_model_name_or_path models/flux1-dev.safetensors \
      --clip_l models/clip_l.safetensors --t5xxl models/t5xxl_fp16.safetensors --ae models/ae.safetensors \
      --dataset_config dataset.toml --output_dir out --network_module networks.lora_flux \
      --network_dim 16 --network_alpha 16
    ```
    """
    setting, own = plan.argument("network_module"), OWN.get(plan.script)
    module = setting.value
    if not plan.training or own is None or not isinstance(module, str):
        return
    if module not in own and any(module in each for each in OWN.values()):
        yield setting.finding(
            f"`{module}` looks for the layers of another model than `{plan.script}` loads: it finds none, or stops "
            "after everything is cached",
            f"use `{own[0]}`",
            setting.write(own[0], safe=False) if plan.handed is None else None,
        )
