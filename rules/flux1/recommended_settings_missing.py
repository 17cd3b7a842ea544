from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

DEFAULTS = {"guidance_scale": 3.5, "timestep_sampling": "sigma", "model_prediction_type": "sigma_scaled"}
RECIPE = {"guidance_scale": 1.0, "timestep_sampling": "flux_shift", "model_prediction_type": "raw"}


@rule(level="warning", evidence="documented", trainer=("sd-scripts", "kohya_ss"))
def check(plan: Plan) -> Iterator[Finding]:
    """FLUX.1 with sd-scripts' defaults, which its own recipe replaces.

    Why: the defaults (`guidance_scale` 3.5, `timestep_sampling` sigma, `model_prediction_type` sigma_scaled) come from
    the SD3 code. The documentation trains FLUX.1 with 1.0, `flux_shift` (or `shift` with 3.1582) and `raw`; users of
    the defaults report noisy results.
    Instead: set all three. Write the default down if you mean it: then this is not said.
    Sources: kohya-ss/sd-scripts@48d368fa docs/flux_train_network.md and library/flux_train_utils.py lines 649-680;
    kohya-ss/sd-scripts#1822, https://github.com/kohya-ss/sd-scripts/issues/1822

    ```toml sd-scripts flagged
    pretrained_model_name_or_path = "models/flux1-dev.safetensors"
    clip_l = "models/clip_l.safetensors"
    t5xxl = "models/t5xxl_fp16.safetensors"
    ae = "models/ae.safetensors"
    network_module = "networks.lora_flux"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
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
    ```
    """
    if not plan.training or plan.config.open:
        return
    settings = {key: plan.argument(key) for key in RECIPE}
    untouched = all(setting.value == DEFAULTS[key] for key, setting in settings.items())
    missing = [key for key, setting in settings.items()
               if setting.origin == "default" or (plan.handed is not None and untouched)]
    if missing:
        have = ", ".join(f"`{key}` {DEFAULTS[key]}" for key in missing)
        want = ", ".join(f"`{key}` {RECIPE[key]}" for key in missing)
        first = settings[missing[0]]
        yield first.finding(f"FLUX.1 trains with the defaults {have}; the documented recipe has others", f"set {want}")
