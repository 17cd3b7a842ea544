from collections.abc import Iterator

from lora_doctor.adapter.facts import Adapter
from lora_doctor.adapter.fit import fit
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="reproduced")
def check(adapter: Adapter) -> Iterator[Finding]:
    """The LoRA belongs to another model.

    Why: Klein 4B is 3072 wide with 5 + 20 blocks, Klein 9B 4096 with 8 + 24, FLUX.1 has other blocks, SD 1.5 other
    text widths. diffusers stops with a size mismatch; ComfyUI logs an error for each layer and draws without the
    LoRA. Where some shapes agree by chance (FLUX.1 attention on Klein 4B), part of it is applied to layers it never
    saw.
    Instead: use the model it was made for, or train one for this model: a LoRA can't be converted between sizes.
    Sources: diffusers 0.42.1 on tiny models (size mismatch for transformer_blocks.0.attn.to_q.lora_A);
    bghira/SimpleTuner documentation/quickstart/FLUX2.md@bc8e6ab; vladmandic/sdnext#3378,
    https://github.com/vladmandic/sdnext/issues/3378

    ```adapter flagged
    model = "flux2-klein-4b"
    targets = "single_transformer_blocks.0"
    base = "black-forest-labs/FLUX.2-klein-base-9B"
    ```
    ```adapter clean
    model = "flux2-klein-9b"
    targets = "single_transformer_blocks.0"
    base = "black-forest-labs/FLUX.2-klein-base-9B"
    ```
    """
    if adapter.base is None:
        return
    found = fit(adapter.identity, adapter.base)
    if found.verdict == "refuses":
        yield adapter.finding(f"the LoRA {found.sentence}", "use the model it was made for")
