from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Huber loss with the `snr` schedule on a flow-matching model.

    Why: `huber_schedule` is `snr` unless set, and that needs the noise schedule of Stable Diffusion. FLUX.1, SD3 and
    the like have none: the first step raises a NotImplementedError.
    Instead: set `huber_schedule` to `constant` or `exponential`.
    Sources: kohya-ss/sd-scripts@48d368fa library/train_util.py line 6117 `get_huber_threshold_if_needed`,
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
    loss_type = "smooth_l1"
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
    loss_type = "smooth_l1"
    huber_schedule = "constant"
    ```
    """
    loss, schedule = plan.argument("loss_type"), plan.argument("huber_schedule")
    if not plan.training or plan.timesteps.prediction.value != "flow" or plan.config.open:
        return
    if loss.written and loss.value in ("huber", "smooth_l1") and schedule.value == "snr":
        yield loss.finding(
            f"`{loss.value}` with `huber_schedule` snr, which this model has no noise schedule for: the first step "
            "stops the run",
            "set `huber_schedule` to `constant`",
            schedule.write("constant", safe=False),
        )
