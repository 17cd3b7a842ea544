from collections.abc import Iterator

from lora_doctor.adapter.facts import Adapter
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="reproduced")
def check(adapter: Adapter) -> Iterator[Finding]:
    """A method that diffusers refuses.

    Why: diffusers loads LoRA, and LoKr for FLUX.2. For LoHa, OFT and the like it stops with "Invalid adapter
    checkpoint. We currently support LoRA and LoKr."; ComfyUI loads them all.
    Instead: nothing for ComfyUI. For diffusers make a LoRA of it: `lora-doctor resize --rank` does that to LoHa and
    LoKr. OFT, full differences and Tucker factors have no such form.
    Sources: huggingface/diffusers#13261, https://github.com/huggingface/diffusers/issues/13261; diffusers 0.42.1
    loaders/lora_pipeline.py

    ```adapter flagged
    model = "flux2-klein-4b"
    format = "comfyui"
    kind = "loha"
    targets = "single_blocks.0"
    ```
    ```adapter clean
    model = "flux2-klein-4b"
    format = "comfyui"
    kind = "lokr"
    targets = "single_blocks.0"
    ```
    """
    row = adapter.loads_in("diffusers")
    others = [kind for kind in adapter.format.kinds if kind not in ("lora", "")]
    if not adapter.key and row is not None and row.status == "fails" and others:
        resize = f"for diffusers run `{adapter.command('resize', '--rank 32 --output NEW.safetensors')}`"
        yield adapter.finding(
            f"diffusers refuses this file: {row.reason}",
            resize if adapter.thin else "no conversion makes a LoRA of it: use it in ComfyUI",
        )
