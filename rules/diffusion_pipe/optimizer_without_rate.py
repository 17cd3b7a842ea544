from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """An optimiser that requires `lr`, without it.

    Why: the two optimi classes have no default learning rate: TypeError after caching and loading. The other
    optimisers fall back to a default of their own.
    Instead: set `lr` in `[optimizer]`; 1e-4 is where most Klein and SDXL recipes start.
    Sources: torch-optimi 0.3.3 adamw.py and stableadamw.py, https://github.com/warner-benjamin/optimi;
    tdrussell/diffusion-pipe@8f83dbf train.py line 672, https://github.com/tdrussell/diffusion-pipe

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
    weight_decay = 0.01
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
    weight_decay = 0.01
    ```
    """
    name, rate = str(plan.optimizer.name.value or "").lower(), plan.get("optimizer.lr")
    if name in ("adamw_optimi", "stableadamw") and not rate.written:
        yield rate.finding(f"`{name}` needs `lr`: TypeError after caching and loading", "set `lr` in `[optimizer]`")
