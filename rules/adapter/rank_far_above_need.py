from collections.abc import Iterator

from lora_doctor.adapter.facts import Adapter
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="documented")
def check(adapter: Adapter) -> Iterator[Finding]:
    """The change uses a fraction of its rank.

    Why: the effective rank (exp of the entropy of the singular values) tells how many directions carry the change.
    Far below the rank, most of the file is noise or zeros: it costs memory and loading time, and a smaller rank would
    have trained the same.
    Instead: `lora-doctor resize --energy 0.99` keeps what matters. For the next run choose a rank near the effective
    one.
    Sources: AC-LoRA (arXiv 2504.02231) sets the rank by such a split; a threshold of a quarter is this tool's choice

    ```adapter flagged
    model = "flux2-klein-4b"
    targets = "single_transformer_blocks.0.attn.to_out"
    rank = 16
    weights = true
    low = 2
    ```
    ```adapter clean
    model = "flux2-klein-4b"
    targets = "single_transformer_blocks.0.attn.to_out"
    rank = 16
    weights = true
    ```
    """
    sound = [la for la in adapter.health.sound if la.rank and la.rank >= 8] if adapter.health else []
    if not sound:
        return
    share = sum(la.effective_rank / (la.rank or 1) for la in sound) / len(sound)
    if share < 0.25:
        yield adapter.finding(
            f"the effective rank is {share:.0%} of the rank: most of the file carries nothing",
            f"run `{adapter.command('resize', '--energy 0.99 --output NEW.safetensors')}`",
        )
