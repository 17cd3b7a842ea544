from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """An interrupted run can't be continued.

    Why: saved LoRAs hold no optimiser state; only `checkpoint_every_n_epochs` or `checkpoint_every_n_minutes`
    writes what `--resume_from_checkpoint` needs.
    Instead: `checkpoint_every_n_minutes = 60` costs some disk space and one pause an hour.
    Sources: tdrussell/diffusion-pipe@8f83dbf utils/saver.py lines 20-43,
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
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    checkpoint_every_n_minutes = 60
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    ```
    """
    every = plan.get("checkpoint_every_n_minutes")
    if plan.training and not plan.saving.resumable.value and not plan.saving.resume.value:
        yield every.finding(
            "no `checkpoint_every_n_*`: an interrupted run can't be continued",
            "set `checkpoint_every_n_minutes`",
            every.write(60, safe=False),
        )
