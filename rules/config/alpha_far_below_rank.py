from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """Alpha is written, and less than a quarter of the rank.

    Why: the update is scaled by alpha / rank, so a learning rate taken from a recipe with alpha = rank is too low here
    (by the square root of the scale, with Adam). A small alpha with a matching rate is a sound choice: the author of
    LyCORIS trains with alpha 0.5 to 1.
    Instead: compare rates at equal scale; keep it if your rate was found with this alpha.
    Sources: LyCORIS, arXiv:2309.14859; KohakuBlueleaf/LyCORIS#29, https://github.com/KohakuBlueleaf/LyCORIS/issues/29

    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-4B"
    [adapter]
    rank = 64
    alpha = 1
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-4B"
    [adapter]
    rank = 64
    alpha = 32
    ```
    """
    network, scale = plan.network, plan.network.scale
    if plan.training and network.alpha.written and scale is not None and 0 < scale < 0.25:
        yield network.alpha.finding(
            f"alpha {network.alpha.value:g} with rank {network.rank.value}: the update is scaled by {scale:.3g}, like "
            f"a learning rate {1 / scale**0.5:.2g} times lower at alpha = rank (Adam)",
        )
