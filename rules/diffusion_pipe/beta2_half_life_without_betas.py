from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`beta2_half_life` without `betas`.

    Why: the half life replaces the second of two given betas; without `betas` in `[optimizer]` it is a KeyError
    after caching and loading.
    Instead: add `betas = [0.9, 0.99]`; the second value is overwritten.
    Sources: tdrussell/diffusion-pipe@8f83dbf train.py lines 656-661, https://github.com/tdrussell/diffusion-pipe

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
    type = "adamw_optimi"
    lr = 1e-4
    beta2_half_life = 1000
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
    type = "adamw_optimi"
    lr = 1e-4
    betas = [0.9, 0.99]
    beta2_half_life = 1000
    ```
    """
    half_life, betas = plan.get("optimizer.beta2_half_life"), plan.get("optimizer.betas")
    if half_life.value and not betas.written:
        yield half_life.finding(
            "`beta2_half_life` without `betas`: KeyError after caching and loading",
            "add `betas = [0.9, 0.99]`",
        )
