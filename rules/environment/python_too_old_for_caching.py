from collections.abc import Iterator

from lora_doctor.environment import Environment
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="reproduced", trainer="diffusion-pipe")
def check(environment: Environment) -> Iterator[Finding]:
    """diffusion-pipe's cache needs Python 3.12.

    Why: it opens its database with `sqlite3.connect(autocommit=...)`, an argument that came with 3.12. On an older
    Python this is a TypeError in the caching process, whose end the main process never notices: the job hangs.
    Instead: create the environment with Python 3.12. This is judged with `lora-doctor lint --environment` only. It
    speaks only where DeepSpeed is installed beside lora-doctor.
    Sources: tdrussell/diffusion-pipe@8f83dbf utils/cache.py line 45, utils/dataset.py line 1194, README.md
    "Installing", https://github.com/tdrussell/diffusion-pipe

    ```environment
    python: 3.11
    deepspeed: 0.18.4
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
    python: 3.12
    deepspeed: 0.18.4
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
    if environment.python < (3, 12) and "deepspeed" in environment.packages:
        version = ".".join(str(part) for part in environment.python)
        yield environment.plan.get("model.type").finding(
            f"Python {version}: diffusion-pipe's cache fails with a TypeError and the job hangs", "use Python 3.12"
        )
