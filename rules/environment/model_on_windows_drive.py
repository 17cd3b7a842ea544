import re
from collections.abc import Iterator

from lora_doctor.environment import Environment
from lora_doctor.rule import Finding, rule

_DRIVE = re.compile(r"^/mnt/[a-zA-Z]/")


@rule(level="warning", evidence="reported")
def check(environment: Environment) -> Iterator[Finding]:
    """Model files on a Windows drive, read from WSL.

    Why: safetensors maps files into memory, which WSL 2 does not always grant on drives under /mnt: `OSError: No
    such device (os error 19)`. Where it works it is slow.
    Instead: copy the models to the Linux file system, such as `~/models`. This is judged with `lora-doctor lint
    --environment` only.
    Sources: ostris/ai-toolkit#836, https://github.com/ostris/ai-toolkit/issues/836

    ```environment
    wsl: yes
    ```
    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/mnt/d/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    ```
    ```environment
    wsl: yes
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
    ```
    """
    plan = environment.plan
    if not environment.wsl:
        return
    for part in (plan.model, plan.text_encoder, plan.vae):
        if part.setting.place and _DRIVE.match(str(part.setting.value or "")):
            yield part.setting.finding(
                "on a Windows drive: WSL may refuse to map the file (`No such device`), and reads it slowly",
                "copy it to the Linux file system",
            )
