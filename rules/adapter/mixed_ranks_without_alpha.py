from collections.abc import Iterator

from lora_doctor.adapter.facts import Adapter
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(adapter: Adapter) -> Iterator[Finding]:
    """Layers of different rank, and no alpha anywhere.

    Why: diffusers up to 0.41 took the first layer's rank as everyone's alpha, so a layer of rank 32 in a file that
    starts with rank 8 was applied at a quarter of its strength. Since 0.42 alpha follows each layer's own rank.
    Instead: use diffusers 0.42 or newer, or convert the file, which writes each layer's alpha down.
    Sources: huggingface/diffusers#14409, https://github.com/huggingface/diffusers/pull/14409

    ```adapter flagged
    model = "flux2-klein-4b"
    targets = "blocks.0.attn.to_q$"
    rank = 2
    [extra]
    "transformer.transformer_blocks.1.attn.to_q.lora_A.weight" = [8, 3072]
    "transformer.transformer_blocks.1.attn.to_q.lora_B.weight" = [3072, 8]
    ```
    ```adapter clean
    model = "flux2-klein-4b"
    targets = "blocks.[01].attn.to_q$"
    rank = 2
    ```
    """
    if adapter.key or adapter.scales.source != "nowhere" or adapter.format.id != "diffusers" or len(adapter.ranks) < 2:
        return
    low, high = adapter.ranks[0], adapter.ranks[-1]
    yield adapter.finding(
        f"ranks from {low} to {high} without alpha: diffusers before 0.42 applies some layers at down to "
        f"{low / high:.2g} of their strength",
        f"run `{adapter.command('convert', '--to diffusers --output NEW.safetensors')}`, which writes alpha down",
    )
