from collections.abc import Iterator

from lora_doctor.environment import Environment
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="documented", trainer="diffusion-pipe")
def check(environment: Environment) -> Iterator[Finding]:
    """diffusion-pipe on native Windows.

    Why: the whole script is built around DeepSpeed's pipeline engine, which Windows supports in part only: the
    README calls making it work difficult or impossible.
    Instead: use WSL 2, with the models and images on its own file system. This is judged with `lora-doctor lint
    --environment` only.
    Sources: tdrussell/diffusion-pipe@8f83dbf README.md "Windows support",
    https://github.com/tdrussell/diffusion-pipe

    ```environment
    system: windows
    ```
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
    ```environment
    system: linux
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
    if environment.system == "windows":
        yield environment.plan.get("model.type").finding(
            "diffusion-pipe needs DeepSpeed, which runs on native Windows in part only", "start it in WSL 2"
        )
