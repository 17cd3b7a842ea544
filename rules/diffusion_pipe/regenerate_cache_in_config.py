from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`regenerate_cache` in the config is never used.

    Why: the config's value counts only where the flag is None, and a flag that is not given is False: the old cache
    is kept.
    Instead: start with `--regenerate_cache`.
    Sources: tdrussell/diffusion-pipe@8f83dbf train.py lines 303-306, https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    regenerate_cache = true
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
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    ```
    """
    setting = plan.get("regenerate_cache")
    if setting.value is True:
        message = "`regenerate_cache` in the config is ignored"
        yield setting.finding(message, "start with `--regenerate_cache`", setting.remove())
