from collections.abc import Iterator

from lora_doctor.environment import GIB, Environment
from lora_doctor.models.families import size_of
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="documented")
def check(environment: Environment) -> Iterator[Finding]:
    """The model is larger than this machine's RAM.

    Why: files are read into RAM before they are cast, quantised or moved to the card: a bf16 model needs two bytes
    per parameter there even where the card holds it in 8 bits. The system ends such a process without a message
    (`Killed`, exit code -9 or 137).
    Instead: add swap space, use a file that is quantised already, or a machine with more RAM. This is judged with
    `lora-doctor lint --environment` only.
    Sources: SimpleTuner documentation/quickstart/FLUX.md (about 50 GB for FLUX),
    https://github.com/bghira/SimpleTuner; ostris/ai-toolkit#525, https://github.com/ostris/ai-toolkit/pull/525

    ```environment
    memory: 16GB
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
    memory: 64GB
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
    plan, size = environment.plan, size_of(environment.plan.model.family, environment.plan.model.size)
    if environment.memory is None or size is None or size.parameters is None or not plan.model.setting.place:
        return
    if plan.model.found.precision not in (None, "bf16", "fp16", "fp32"):
        return  # a file that is quantised already
    weights = 2 * size.parameters
    if weights > environment.memory:
        yield plan.model.setting.finding(
            f"{weights / GIB:.0f} GB of weights pass through {environment.memory / GIB:.0f} GB of RAM: the process is "
            "likely to be killed while loading",
            "add swap space, or use a quantised file",
        )
