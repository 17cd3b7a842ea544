from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`flux_shift` beside `shift`: only `shift` counts.

    Why: the resolution-dependent shift is looked at only where `shift` is missing or 0.
    Instead: keep one of them.
    Sources: tdrussell/diffusion-pipe@8f83dbf models/flux2.py lines 162-166, models/flux.py line 362,
    https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    shift = 3
    flux_shift = true
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    flux_shift = true
    ```
    """
    shift = plan.get("model.shift")
    for key in ("model.flux_shift", "model.lumina_shift"):
        dynamic = plan.get(key)
        if dynamic.value is True and shift.value:
            yield dynamic.finding(
                f"`{key.rpartition('.')[2]}` has no effect beside `shift` = {shift.value}",
                "remove one of them",
                dynamic.remove(safe=False),
            )
