from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`alpha` in `[adapter]`, which diffusion-pipe refuses.

    Why: train.py raises NotImplementedError as soon as `alpha` stands in `[adapter]`, whatever its value: alpha is
    always the rank, so the adapter's strength is 1.
    Instead: remove the line. An alpha below the rank in another trainer means a lower learning rate here (with Adam
    by the root of alpha/rank).
    Sources: tdrussell/diffusion-pipe@8f83dbf train.py lines 113-118, https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    [adapter]
    type = "lora"
    rank = 32
    alpha = 16
    [optimizer]
    type = "adamw_optimi"
    lr = 1e-4
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
    alpha, rank = plan.get("adapter.alpha"), plan.network.rank.value
    if alpha.written:
        yield alpha.finding(
            f"`alpha` = {alpha.value}: NotImplementedError at start; in diffusion-pipe alpha is always the rank",
            "remove it",
            alpha.remove(safe=alpha.value == rank),
        )
