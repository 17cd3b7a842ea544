from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A resumed run keeps its old learning rate and schedule.

    Why: DeepSpeed restores the optimiser's parameter groups and the scheduler: a new `lr`, `betas`, `weight_decay`,
    `lr_scheduler` or `warmup_steps` in the config changes nothing, and nothing says so.
    Instead: `force_constant_lr` for another rate, `--reset_optimizer_params` for all of them, `--reset_optimizer`
    to start the optimiser afresh.
    Sources: tdrussell/diffusion-pipe@8f83dbf train.py lines 868-896,
    https://github.com/tdrussell/diffusion-pipe/issues/278 and /issues/237

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    checkpoint_every_n_minutes = 60
    resume_from_checkpoint = "20260820_11-22-33"
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
    checkpoint_every_n_minutes = 60
    resume_from_checkpoint = "20260820_11-22-33"
    force_constant_lr = 5e-5
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    [optimizer]
    type = "adamw_optimi"
    lr = 1e-4
    ```
    """
    resume, flags = plan.saving.resume, plan.launch
    reset = flags is not None and any(flags.has(name) for name in ("reset_optimizer", "reset_optimizer_params"))
    if plan.training and resume.written and resume.value and not reset and not plan.get("force_constant_lr").written:
        yield resume.finding(
            "resuming restores the old learning rate, betas, weight decay, schedule and warm-up: edits are ignored",
            "to change them use `force_constant_lr` or `--reset_optimizer_params`",
        )
