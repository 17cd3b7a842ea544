from collections.abc import Iterator

from lora_doctor.environment import Environment
from lora_doctor.rule import Finding, rule

FIRST = (0, 37)  # the first release with Flux2KleinPipeline


@rule(level="error", evidence="reproduced", trainer=("diffusers", "lora-doctor"), family="flux2-klein")
def check(environment: Environment) -> Iterator[Finding]:
    """The installed diffusers has no Klein pipeline.

    Why: `Flux2KleinPipeline` came with diffusers 0.37; an older one fails to import it, and the class it has for FLUX.1
    does not fit the weights.
    Instead: upgrade diffusers. This is judged with `lora-doctor lint --environment` only, and only of the Python that
    runs lora-doctor.
    Sources: the wheels of diffusers 0.36.0 (no file of that pipeline) and 0.37.0 (has it); stephen37/workshops
    lora_training README (Klein loaded with the FLUX.1 class)

    ```environment
    diffusers: 0.35.2
    ```
    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-4B"
    ```
    ```environment
    diffusers: 0.42.1
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-4B"
    ```
    """
    version, setting = environment.version("diffusers"), environment.plan.model.setting
    if version is not None and version < FIRST and setting.place is not None:
        yield setting.finding(
            f"diffusers {environment.packages['diffusers']} has no `Flux2KleinPipeline`", "install 0.37 or newer"
        )
