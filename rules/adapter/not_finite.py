from collections.abc import Iterator

from lora_doctor.adapter.facts import Adapter
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="reported")
def check(adapter: Adapter) -> Iterator[Finding]:
    """Weights that are NaN or infinite.

    Why: one NaN in one layer turns every image black or into noise, at any strength. It comes from a run that
    diverged, or from a single layer that overflowed in fp16.
    Instead: take an earlier checkpoint. If few layers are affected, training again without them may do.
    Sources: ostris/ai-toolkit#975, https://github.com/ostris/ai-toolkit/issues/975

    ```adapter flagged
    model = "flux2-klein-4b"
    targets = "single_transformer_blocks.[01].attn.to_out"
    nan = "blocks.1"
    weights = true
    ```
    ```adapter clean
    model = "flux2-klein-4b"
    targets = "single_transformer_blocks.[01].attn.to_out"
    weights = true
    ```
    """
    if adapter.health is None or not adapter.health.broken:
        return
    broken, total = adapter.health.broken, len(adapter.health.layers)
    yield adapter.finding(
        f"{len(broken)} of {total} layers hold NaN or infinity, e.g. {broken[0].name}: images turn black or to noise",
        "take an earlier checkpoint",
    )
