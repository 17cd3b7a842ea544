from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source", trainer=("sd-scripts", "kohya_ss"))
def check(plan: Plan) -> Iterator[Finding]:
    """More blocks are to be swapped than FLUX.1 can spare.

    Why: two double and two single blocks must stay on the GPU: of 19 and 38 that leaves 35. More is an assertion after
    the model is loaded.
    Instead: 35 or less.
    Sources: kohya-ss/sd-scripts@48d368fa library/flux_models.py line 972 `enable_block_swap`;
    docs/flux_train_network.md, https://github.com/kohya-ss/sd-scripts

    ```toml sd-scripts flagged
    pretrained_model_name_or_path = "models/flux1-dev.safetensors"
    clip_l = "models/clip_l.safetensors"
    t5xxl = "models/t5xxl_fp16.safetensors"
    ae = "models/ae.safetensors"
    network_module = "networks.lora_flux"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    guidance_scale = 1.0
    timestep_sampling = "flux_shift"
    model_prediction_type = "raw"
    blocks_to_swap = 38
    ```
    ```toml sd-scripts clean
    pretrained_model_name_or_path = "models/flux1-dev.safetensors"
    clip_l = "models/clip_l.safetensors"
    t5xxl = "models/t5xxl_fp16.safetensors"
    ae = "models/ae.safetensors"
    network_module = "networks.lora_flux"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    guidance_scale = 1.0
    timestep_sampling = "flux_shift"
    model_prediction_type = "raw"
    blocks_to_swap = 35
    ```
    """
    setting = plan.argument("blocks_to_swap")
    if plan.training and setting.written and isinstance(setting.value, int) and setting.value > 35:
        yield setting.finding(
            f"{setting.value} of FLUX.1's blocks: an assertion stops the run after the model is loaded",
            "35 is the most",
            setting.write(35, safe=False),
        )
