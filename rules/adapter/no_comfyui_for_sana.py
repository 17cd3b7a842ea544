from collections.abc import Iterator

from lora_doctor.adapter.facts import Adapter
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(adapter: Adapter) -> Iterator[Finding]:
    """ComfyUI has no SANA.

    Why: ComfyUI's core has no SANA model, so it loads no LoRA for one, in whatever names.
    Instead: use diffusers' SanaPipeline.
    Sources: NVlabs/Sana#145, https://github.com/NVlabs/Sana/issues/145; Nerogar/OneTrainer 23df383 (SANA LoRA saver)

    ```adapter flagged
    model = "sana-1.6b"
    targets = "blocks.0.attn2.to_q"
    ```
    ```adapter clean
    model = "sdxl"
    format = "kohya"
    targets = "middle_block.1.transformer_blocks.0.attn2"
    ```
    """
    if adapter.identity.family == "sana" and not adapter.key:
        yield adapter.finding("ComfyUI has no SANA: this LoRA works in diffusers only", "use SanaPipeline")
