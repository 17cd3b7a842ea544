import re
from collections.abc import Iterator

from lora_doctor.derived import coverage
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

LITTLE = 0.3  # of the blocks; q, k, v on Klein reach 5 of 25, the trainers' own defaults 100 %


@rule(level="warning", evidence="reproduced")
def check(plan: Plan) -> Iterator[Finding]:
    """The target modules reach less than a third of the model's blocks.

    Why: lists copied from SD, FLUX.1 or SANA (`to_q, to_k, to_v`) miss the fused projections of FLUX.2's single
    blocks: on Klein 4B they reach 5 of 25 blocks and 3.7 % of the weights, and likeness never arrives.
    Instead: on Klein add `to_qkv_mlp_proj` and the single blocks' `attn.to_out`; or leave the trainer's default. Blocks
    chosen by number (`single_transformer_blocks.7.proj_out`) are a choice: then this is a note.
    Sources: module tables measured on the real architectures (diffusers 0.42.1); huggingface/diffusers#13011,
    https://github.com/huggingface/diffusers/pull/13011; bghira/SimpleTuner#2589

    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-4B"
    [adapter]
    targets = ["to_q", "to_k", "to_v"]
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-4B"
    [adapter]
    targets = ["to_q", "to_k", "to_v", "to_qkv_mlp_proj"]
    ```
    """
    reached = coverage(plan) if plan.network.targets.written else None
    if reached is None or not reached.blocks_total or reached.matched_modules == 0:
        return
    if reached.blocks_reached / reached.blocks_total < LITTLE:
        found = plan.network.targets.finding(
            f"these targets reach {reached.blocks_reached} of {reached.blocks_total} blocks and "
            f"{reached.weights_share:.1%} of the weights",
            "add the modules of the other blocks, or leave the trainer's default targets",
        )
        yield found._replace(level="note") if _blocks_named(plan) else found


def _blocks_named(plan: Plan) -> bool:
    """Whether every target names its block by number: then these blocks were chosen."""
    targets = plan.network.targets.value
    names = targets if isinstance(targets, (list, tuple)) else [targets]
    return all(re.search(r"blocks[._]\d", str(name)) for name in names)
