from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source", trainer=("sd-scripts", "kohya_ss"))
def check(plan: Plan) -> Iterator[Finding]:
    """`train_t5xxl` together with cached text encoder outputs.

    Why: a cached output never changes, so the script raises a ValueError when the network is made, after everything is
    cached.
    Instead: switch one of the two off.
    Sources: kohya-ss/sd-scripts@48d368fa flux_train_network.py line 213 `post_process_network`,
    https://github.com/kohya-ss/sd-scripts

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
    network_args = ["train_t5xxl=True"]
    cache_text_encoder_outputs = true
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
    network_args = ["train_t5xxl=True"]
    ```
    """
    args = plan.argument("network_args")
    if plan.training and isinstance(args.value, list) and "train_t5xxl=True" in args.value and plan.cache_text.value:
        yield plan.cache_text.finding(
            "T5 is to be trained and its outputs are cached: a ValueError stops the run after everything is cached",
            "switch one of them off",
        )
