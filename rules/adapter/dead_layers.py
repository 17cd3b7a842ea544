from collections.abc import Iterator

from lora_doctor.adapter.facts import Adapter
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="reported")
def check(adapter: Adapter) -> Iterator[Finding]:
    """Layers that change nothing.

    Why: B starts at zero and A at random, so a layer whose B is still zero got no gradient: it was not reached,
    frozen, or the optimiser's updates were lost. If all are zero the LoRA is the base model, whatever the loss curve
    said.
    Instead: look for what kept the gradients away: a learning rate of zero, a stalled bf16 adapter, targets in blocks
    that were swapped out or skipped. A few layers without effect do no harm, but were paid for.
    Sources: ostris/ai-toolkit#925, https://github.com/ostris/ai-toolkit/issues/925; kohya-ss/musubi-tuner#66,
    https://github.com/kohya-ss/musubi-tuner/issues/66

    ```adapter flagged
    model = "flux2-klein-4b"
    targets = "single_transformer_blocks.[01].attn.to_out"
    dead = ""
    weights = true
    ```
    ```adapter clean
    model = "flux2-klein-4b"
    targets = "single_transformer_blocks.[01].attn.to_out"
    weights = true
    ```
    """
    if adapter.health is None or not adapter.health.dead:
        return
    dead, total = adapter.health.dead, len(adapter.health.layers)
    if len(dead) == total:
        yield adapter.finding(
            f"all {total} layers are zero: the LoRA changes nothing", "look at why no gradient arrived"
        )
        return
    found = adapter.finding(
        f"{len(dead)} of {total} layers are zero and change nothing, e.g. {dead[0].name}",
        "look at why no gradient reached them",
    )
    yield found._replace(level="warning")
