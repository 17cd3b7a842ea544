from collections.abc import Iterator

from lora_doctor.adapter.facts import Adapter
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(adapter: Adapter) -> Iterator[Finding]:
    """A layer has one of its two matrices, or two that do not fit each other.

    Why: a LoRA's change is the product of two matrices. With one missing, or of another rank, loaders stop, or pass
    over the layer; it comes from an interrupted save, or a script that renamed or pruned keys.
    Instead: take the file from the run again, or an earlier checkpoint.
    Sources: diffusers 0.42.1 loaders/peft.py (load_lora_adapter); ComfyUI comfy/weight_adapter/lora.py@6f98b15

    ```adapter flagged
    model = "flux2-klein-4b"
    targets = "blocks.[01].attn.to_q$"
    drop = "blocks.0.attn.to_q.lora_B"
    ```
    ```adapter clean
    model = "flux2-klein-4b"
    targets = "blocks.[01].attn.to_q$"
    ```
    """
    broken = [layer for layer in adapter.layers if layer.problem and "no elements" not in layer.problem]
    if broken:
        yield adapter.finding(
            f"{len(broken)} of {len(adapter.layers)} layers are incomplete: {broken[0].name} {broken[0].problem}",
            "take the file from the run again, or an earlier checkpoint",
        )
