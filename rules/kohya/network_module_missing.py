from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

MODULES = {
    "flux_train_network.py": "networks.lora_flux",
    "sd3_train_network.py": "networks.lora_sd3",
    "lumina_train_network.py": "networks.lora_lumina",
    "hunyuan_image_train_network.py": "networks.lora_hunyuan_image",
    "anima_train_network.py": "networks.lora_anima",
}
KNOWN = {*MODULES.values(), "networks.lora", "networks.dylora", "networks.lora_fa", "networks.oft", "networks.oft_flux",
         "networks.loha", "networks.lokr"}  # fmt: skip


@rule(level="error", evidence="reproduced", trainer="sd-scripts")
def check(plan: Plan) -> Iterator[Finding]:
    r"""No network module, or one that sd-scripts does not have.

    Why: the module is imported after the model is loaded and latents and texts are cached; `None` or a name that does
    not exist stops the run there.
    Instead: `networks.lora` for SD and SDXL, `networks.lora_flux` for FLUX.1, `lycoris.kohya` for LyCORIS.
    Sources: kohya-ss/sd-scripts@48d368fa train_network.py (`importlib.import_module(args.network_module)`),
    https://github.com/kohya-ss/sd-scripts

    ```shell sd-scripts flagged
    accelerate launch sdxl_train_network.py --pretrained_model_name_or_path models/sd_xl_base_1.0.safetensors \
      --dataset_config dataset.toml --output_dir out --network_dim 16 --network_alpha 16 --learning_rate 1e-4
    ```
    ```shell sd-scripts clean
    accelerate launch sdxl_train_network.py --pretrained_model_name_or_path models/sd_xl_base_1.0.safetensors \
      --dataset_config dataset.toml --output_dir out --network_dim 16 --network_alpha 16 --learning_rate 1e-4 \
      --network_module networks.lora
    ```
    """
    setting, usual = plan.get("network_module"), MODULES.get(plan.script, "networks.lora")
    name = setting.value
    if not plan.training or plan.config.open or plan.config.unread("network_module"):
        return
    if name is None and plan.script:
        yield setting.finding(
            "no `network_module`: the run stops after the model is loaded and everything is cached",
            f"set it to `{usual}`",
            setting.write(usual, safe=False),
        )
    elif isinstance(name, str) and name not in KNOWN and (name.startswith("network") or "." not in name):
        yield setting.finding(
            f"sd-scripts has no module `{name}`: the run stops after the model is loaded and everything is cached",
            f"use `{usual}`",
            setting.write(usual, safe=False),
        )
