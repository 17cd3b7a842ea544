from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """A rank by noise level, which other programs do not know.

    Why: with `adapter.min_rank` only some directions of the LoRA are trained at high noise. lora-doctor's own samples
    use no more there either; diffusers, ComfyUI and others load the file as a plain LoRA and use all of them at every
    noise level, which it was not trained for: composition follows the training images more than the samples showed.
    Instead: judge it where it will be used, or take the key out; docs/keeping.md has what it does.
    Sources: T-LoRA, https://arxiv.org/abs/2507.05964; bghira/SimpleTuner documentation/lycoris/T_LORA.md ("masks must
    be re-applied at inference"), https://github.com/bghira/SimpleTuner

    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [adapter]
    rank = 16
    min_rank = 8
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [adapter]
    rank = 16
    ```
    """
    least, rank = plan.get("adapter.min_rank"), plan.network.rank.value
    if isinstance(least.value, int) and isinstance(rank, int) and least.value < rank:
        yield least.finding(
            f"other programs use all {rank} directions of the rank at every noise level; at full noise {least.value} "
            "are trained",
            "judge the LoRA where it will be used, or take the key out",
        )
