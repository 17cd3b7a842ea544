from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule
from lora_doctor.suggest import misnamed


@rule(level="warning", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """Alpha is more than twice the rank.

    Why: the update is multiplied by alpha / rank. Nothing published for these models goes beyond 2; the diffusers
    scripts get there by accident, since `--lora_alpha` is 4 whatever `--rank` is.
    Instead: set alpha to the rank, or lower the learning rate by the square root of the scale.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_sana.py (`--lora_alpha`
    default 4); LyCORIS, arXiv:2309.14859

    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-4B"
    [adapter]
    rank = 8
    alpha = 64
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-4B"
    [adapter]
    rank = 8
    alpha = 16
    ```
    """
    network, scale = plan.network, plan.network.scale
    if plan.training and scale is not None and scale > 2 and network.alpha.value is not None:
        if misnamed(plan, network.rank):
            return  # the rank that was meant is not the one it is measured by
        place = network.alpha if network.alpha.written else network.rank
        yield place.finding(
            f"alpha {network.alpha.value:g} with rank {network.rank.value}: the update is multiplied by {scale:.3g}",
            f"set `{network.alpha.key}` to {network.rank.value}",
            network.alpha.write(network.rank.value, safe=False),
        )
