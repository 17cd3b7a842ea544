from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Resuming a run that writes no checkpoints.

    Why: without `checkpoint_every_n_epochs` or `checkpoint_every_n_minutes` the training state is written at the
    very end, or when a file named `save` is put into the run's folder. After an interruption there is nothing to
    resume: AssertionError after caching and loading.
    Instead: set `checkpoint_every_n_minutes`. Saved LoRAs can be trained on with `init_from_existing`, without the
    optimiser's state.
    Sources: tdrussell/diffusion-pipe@8f83dbf train.py line 878, utils/saver.py lines 20-43,
    https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    resume_from_checkpoint = "20260820_11-22-33"
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    ```
    ```toml diffusion-pipe clean
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
    ```
    """
    resume = plan.saving.resume
    if plan.training and resume.written and resume.value and not plan.saving.resumable.value:
        every = plan.get("checkpoint_every_n_minutes")
        yield resume.finding(
            "this config writes no checkpoints: unless the run was finished, there is nothing to resume",
            "set `checkpoint_every_n_minutes`",
            every.write(60, safe=False),
        )
