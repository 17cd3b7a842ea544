from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

KEYS = ("warmup_steps", "lr_scheduler", "optimizer.lr", "model.unet_lr", "model.text_encoder_1_lr",
        "model.text_encoder_2_lr")


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`force_constant_lr` overrules every other rate.

    Why: the key is meant for changing the rate of a resumed run. It overwrites the rate of every parameter group
    and replaces schedule and warm-up, in fresh runs as well, and SDXL's text encoders get the same rate as its
    UNet.
    Instead: remove it when the resumed run is over; in a fresh run set `lr` in `[optimizer]`.
    Sources: tdrussell/diffusion-pipe@8f83dbf train.py lines 893-896, https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    force_constant_lr = 1e-5
    warmup_steps = 100
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    [optimizer]
    type = "adamw_optimi"
    lr = 1e-4
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    warmup_steps = 100
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    [optimizer]
    type = "adamw_optimi"
    lr = 1e-4
    ```
    """
    forced = plan.get("force_constant_lr")
    if not isinstance(forced.value, (int, float)):
        return
    without_effect = [
        key for key in KEYS if plan.config.has(key) and plan.get(key).value not in (forced.value, 0, "constant")
    ]
    if without_effect:
        yield forced.finding(
            f"`force_constant_lr` = {forced.value:g} overrules " + ", ".join(f"`{key}`" for key in without_effect),
            "remove it unless this resumes a run whose rate is to change",
            forced.remove(safe=False),
        )
