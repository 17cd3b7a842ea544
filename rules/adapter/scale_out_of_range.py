from collections.abc import Iterator

from lora_doctor.adapter.facts import Adapter
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="documented")
def check(adapter: Adapter) -> Iterator[Finding]:
    """Alpha and rank give an unusual scale.

    Why: the change is multiplied by alpha / rank. Below 1/64 the factors had to grow enormous to matter, which
    usually means that alpha stayed at a trainer's default of 1; above 4 the LoRA is dominated by its multiplier, or
    alpha was written for another rank.
    Instead: compare with the training config. A file re-saved by a tool that writes alpha 1 needs its alpha set to
    the rank.
    Sources: LoRA-Merger-ComfyUI#17 (alpha 1 written into a file without alpha); sd-scripts train_network.py@48d368f
    (--network_alpha defaults to 1)

    ```adapter flagged
    model = "flux2-klein-4b"
    format = "kohya"
    targets = "single_blocks.0.linear2"
    rank = 128
    alpha = 1.0
    ```
    ```adapter clean
    model = "flux2-klein-4b"
    format = "kohya"
    targets = "single_blocks.0.linear2"
    rank = 8
    alpha = 1.0
    ```
    """
    finite = [scale for scale in adapter.scales.distinct if 0 < abs(scale) < float("inf")]
    if finite and (min(finite) < 1 / 64 or max(finite) > 4):
        odd = min(finite) if min(finite) < 1 / 64 else max(finite)
        yield adapter.finding(
            f"alpha / rank is {odd:.4g}: far from what trainers use",
            "compare it with alpha and rank of the training config",
        )
