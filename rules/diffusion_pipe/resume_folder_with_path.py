from collections.abc import Iterator
from os.path import basename, isabs, normpath, sep

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """The run to resume is named with its path.

    Why: the name is joined to `output_dir`: with the path in front it means a folder that does not exist, which is
    created and found empty: AssertionError after caching and loading.
    Instead: give the folder's name only, `20260820_11-22-33`.
    Sources: tdrussell/diffusion-pipe@8f83dbf train.py lines 542-556 and 878,
    https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    checkpoint_every_n_minutes = 60
    resume_from_checkpoint = "out/20260820_11-22-33"
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
    resume, output = plan.saving.resume, plan.saving.folder.value
    if not isinstance(resume.value, str) or not isinstance(output, str) or isabs(resume.value):
        return
    if normpath(resume.value).startswith(normpath(output) + sep):
        name = basename(normpath(resume.value))
        yield resume.finding(
            f"`{resume.value}` is looked for inside `{output}`: AssertionError after caching and loading",
            f"write `{name}`",
            resume.write(name),
        )
