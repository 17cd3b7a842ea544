from collections.abc import Iterator
from math import isfinite

from lora_doctor.adapter.facts import Adapter
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(adapter: Adapter) -> Iterator[Finding]:
    """Alpha is infinite or NaN.

    Why: every loader multiplies by alpha / rank, so the change becomes infinite or NaN and the image black or noise.
    For a LoKr of two full matrices alpha is not used: ai-toolkit writes 1e10 there, which fp16 stores as infinity.
    Instead: set alpha to the rank (`lora-doctor convert` from a file of the same run that has it), or save in bf16.
    Sources: ostris/ai-toolkit toolkit/models/lokr.py@27a03a9; ComfyUI comfy/weight_adapter/lora.py@6f98b15

    ```adapter flagged
    model = "flux2-klein-4b"
    format = "comfyui"
    targets = "single_blocks.0"
    alpha = inf
    ```
    ```adapter clean
    model = "flux2-klein-4b"
    format = "comfyui"
    kind = "lokr"
    targets = "single_blocks.0"
    alpha = inf
    ```
    """
    if all(map(isfinite, adapter.scales.distinct)):
        return
    alphas = [(layer, layer.alpha) for layer in adapter.layers if layer.rank and layer.alpha is not None]
    bad = [(layer, alpha) for layer, alpha in alphas if not isfinite(alpha)]
    if bad:
        yield adapter.finding(
            f"{len(bad)} layers have alpha {bad[0][1]}, e.g. {bad[0][0].name}: images turn black or to noise",
            "take alpha from another checkpoint of the run",
        )
