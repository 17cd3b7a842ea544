from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`resume_from_checkpoint = true` left in the config.

    Why: it takes the last name in `output_dir`, whatever that is: another project's run, or a folder such as
    `samples`, which sorts behind the dates. In a fresh `output_dir` there is none: IndexError after caching and
    loading. And every later start resumes again.
    Instead: pass `--resume_from_checkpoint` on the command line, best with the run's folder name.
    Sources: tdrussell/diffusion-pipe@8f83dbf train.py lines 145 and 542-548, README.md "Training",
    https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    checkpoint_every_n_minutes = 60
    resume_from_checkpoint = true
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
    resume = plan.get("resume_from_checkpoint")
    if resume.written and resume.value is True:
        yield resume.finding(
            "`resume_from_checkpoint` = true resumes whatever sorts last in `output_dir`, now and at every later start",
            "use the flag `--resume_from_checkpoint`, or name the run's folder",
            resume.remove(safe=False),
        )
