from collections.abc import Iterator

from lora_doctor.environment import Environment
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="reproduced", trainer="diffusion-pipe")
def check(environment: Environment) -> Iterator[Finding]:
    """The installed bitsandbytes is too new for AdamW8bitKahan.

    Why: diffusion-pipe's optimiser reads `percentile_clipping`, which bitsandbytes dropped in 0.50: KeyError at the
    first optimiser step, after caching and loading.
    Instead: `pip install "bitsandbytes<0.50"`, or use `adamw_optimi`. This is judged with `lora-doctor lint
    --environment` only. It looks at the Python that runs lora-doctor.
    Sources: tdrussell/diffusion-pipe@8f83dbf optimizers/adamw_8bit.py line 30, run with bitsandbytes 0.49.2 and
    0.50.2, https://github.com/tdrussell/diffusion-pipe

    ```environment
    bitsandbytes: 0.50.2
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
    [optimizer]
    type = "AdamW8bitKahan"
    lr = 5e-5
    ```
    ```environment
    bitsandbytes: 0.49.2
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
    [optimizer]
    type = "AdamW8bitKahan"
    lr = 5e-5
    ```
    """
    name, version = environment.plan.optimizer.name, environment.version("bitsandbytes")
    if str(name.value or "").lower() == "adamw8bitkahan" and version and version >= (0, 50):
        yield name.finding(
            f"bitsandbytes {environment.packages['bitsandbytes']} is installed: AdamW8bitKahan stops at its first step "
            "with KeyError `percentile_clipping`",
            'install "bitsandbytes<0.50", or use `adamw_optimi`',
        )
