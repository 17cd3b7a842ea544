from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

# With the values that mean nothing anyway, which the GUI writes down
UNREAD: dict[str, tuple[int, ...]] = {
    "min_snr_gamma": (),
    "noise_offset": (),
    "adaptive_noise_scale": (),
    "multires_noise_iterations": (),
    "debiased_estimation_loss": (),
    "v_parameterization": (),
    "zero_terminal_snr": (),
    "clip_skip": (1,),
    "max_token_length": (75,),
    "min_timestep": (),
    "max_timestep": (1000,),
}


@rule(level="warning", evidence="source", trainer=("sd-scripts", "kohya_ss"))
def check(plan: Plan) -> Iterator[Finding]:
    """A noise, loss or prompt setting of Stable Diffusion that FLUX.1 training ignores.

    Why: `flux_train_network.py` makes its own noise, its own target and its own loss: SNR weighting, noise offsets,
    v-prediction, timestep limits, CLIP skip and `max_token_length` are parsed and not used.
    Instead: take it out; `t5xxl_max_token_length` sets the length of the prompt.
    Sources: kohya-ss/sd-scripts@48d368fa flux_train_network.py `post_process_loss`, `get_noise_pred_and_target`;
    library/flux_train_utils.py, https://github.com/kohya-ss/sd-scripts

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
    min_snr_gamma = 5
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
    loss_type = "l2"
    ```
    ```json kohya_ss flagged
    {"LoRA_type": "Flux1", "flux1_checkbox": true, "min_snr_gamma": 7, "noise_offset": 0, "network_dim": 16,
     "network_alpha": 16, "timestep_sampling": "flux_shift", "model_prediction_type": "raw", "guidance_scale": 1.0}
    ```
    """
    if not plan.training or plan.model.declared.family == "chroma":
        return
    for key, neutral in UNREAD.items():
        setting = plan.argument(key)
        if setting.written and setting.value and setting.value not in neutral:
            yield setting.finding(
                f"the FLUX.1 script does not read `{setting.key}`: {setting.value} has no effect",
                "take it out",
                setting.remove(safe=False),
            )
