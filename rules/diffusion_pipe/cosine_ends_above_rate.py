from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """The cosine schedule ends above the learning rate.

    Why: its floor is fixed at 1e-6: below that rate the schedule rises instead of falling, and a parameter group
    that was frozen with a rate of 0 starts to move.
    Instead: use `lr_scheduler = "constant"` or `linear` for rates this low.
    Sources: tdrussell/diffusion-pipe@8f83dbf train.py line 855 (eta_min=1e-6),
    https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    lr_scheduler = "cosine"
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    [optimizer]
    type = "adamw_optimi"
    lr = 5e-7
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    lr_scheduler = "cosine"
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    [optimizer]
    type = "adamw_optimi"
    lr = 1e-4
    ```
    """
    rates = [plan.learning_rate, plan.get("model.text_encoder_1_lr"), plan.get("model.text_encoder_2_lr")]
    for rate in rates:
        low = isinstance(rate.value, (int, float)) and 0 <= rate.value < 1e-6 and rate.written
        if low and plan.optimizer.scheduler.value == "cosine":
            yield rate.finding(
                f"`{rate.key}` = {rate.value:g} with a cosine schedule: it rises to 1e-06, diffusion-pipe's floor",
                "use `constant` or `linear`",
            )
