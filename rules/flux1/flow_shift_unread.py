from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source", trainer=("sd-scripts", "kohya_ss"))
def check(plan: Plan) -> Iterator[Finding]:
    """`discrete_flow_shift` with a sampling that does not use it.

    Why: only `shift` and `sigma` read it. `flux_shift` computes its own shift from the size of the image, `sigmoid` and
    `uniform` have none.
    Instead: set `timestep_sampling` to `shift` to use it, or take it out.
    Sources: kohya-ss/sd-scripts@48d368fa library/flux_train_utils.py `get_noisy_model_input_and_timesteps`,
    flux_train_network.py `get_noise_scheduler`; docs/flux_train_network.md, https://github.com/kohya-ss/sd-scripts

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
    discrete_flow_shift = 3.1582
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
    timestep_sampling = "shift"
    model_prediction_type = "raw"
    discrete_flow_shift = 3.1582
    ```
    """
    shift, sampling = plan.argument("discrete_flow_shift"), plan.argument("timestep_sampling")
    if not plan.training or not shift.written or sampling.value not in ("flux_shift", "sigmoid", "uniform"):
        return
    if plan.handed is not None and shift.value == 3.0:
        return  # the GUI writes its default down
    yield shift.finding(
        f"`{sampling.key}` is {sampling.value}, which does not use a shift: {shift.value} has no effect",
        "use `shift`, or take it out",
        shift.remove(safe=False),
    )
