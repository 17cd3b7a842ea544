from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source", trainer=("sd-scripts", "kohya_ss"))
def check(plan: Plan) -> Iterator[Finding]:
    """An option of another way of drawing timesteps.

    Why: `logit_normal` and `mode` weigh the draw of `sigma` sampling only; `sigma_sqrt` and `cosmap` weigh the loss of
    `sigma_scaled` prediction only; `sigmoid_scale` belongs to the samplings made of a sigmoid.
    Instead: change the sampling, or take the option out.
    Sources: kohya-ss/sd-scripts@48d368fa library/flux_train_utils.py `compute_density_for_timestep_sampling`,
    `apply_model_prediction_type`, https://github.com/kohya-ss/sd-scripts

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
    weighting_scheme = "logit_normal"
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
    timestep_sampling = "sigma"
    model_prediction_type = "raw"
    weighting_scheme = "logit_normal"
    ```
    """
    if not plan.training or plan.config.open or plan.handed is not None:
        return
    sampling, prediction = plan.get("timestep_sampling").value, plan.get("model_prediction_type").value
    scheme, scale = plan.get("weighting_scheme"), plan.get("sigmoid_scale")
    if scheme.written and scheme.value in ("logit_normal", "mode") and sampling != "sigma":
        yield scheme.finding(
            f"`{scheme.value}` weighs the draw of `sigma` sampling only, and this is {sampling}: it has no effect",
            "take it out",
            scheme.remove(safe=False),
        )
    elif scheme.written and scheme.value in ("sigma_sqrt", "cosmap") and prediction != "sigma_scaled":
        yield scheme.finding(
            f"`{scheme.value}` weighs the loss of `sigma_scaled` prediction only, and this is {prediction}: it has "
            "no effect",
            "take it out",
            scheme.remove(safe=False),
        )
    if scale.written and scale.value != 1.0 and sampling in ("sigma", "uniform"):
        fix = scale.remove(safe=False)
        yield scale.finding(f"{sampling} sampling has no sigmoid: it has no effect", "take it out", fix)
