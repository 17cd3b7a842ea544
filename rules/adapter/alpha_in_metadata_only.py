from collections.abc import Iterator

from lora_doctor.adapter.facts import Adapter
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(adapter: Adapter) -> Iterator[Finding]:
    """Alpha stands where most programs do not look.

    Why: diffusers and SimpleTuner save alpha in the file's metadata, PEFT beside it. ComfyUI and InvokeAI read
    neither and take alpha for the rank, so the LoRA works at rank/alpha of the strength it was trained with: users
    raise the strength to 3 or 4, or call it undertrained.
    Instead: fold alpha into the weights with `lora-doctor bake-alpha`, or convert the file, which writes alpha
    tensors. If the file is used in diffusers alone, nothing is wrong.
    Sources: Comfy-Org/ComfyUI#12191, https://github.com/Comfy-Org/ComfyUI/issues/12191; ComfyUI
    comfy/lora.py@17358c8, weight_adapter/lora.py@6f98b15

    ```adapter flagged
    model = "flux2-klein-4b"
    targets = "attn.to_[qkv]$"
    metadata = {lora_adapter_metadata = '{"transformer.r": 2, "transformer.lora_alpha": 8}'}
    ```
    ```adapter clean
    model = "flux2-klein-4b"
    targets = "attn.to_[qkv]$"
    metadata = {lora_adapter_metadata = '{"transformer.r": 2, "transformer.lora_alpha": 2}'}
    ```
    """
    row = adapter.loads_in("ComfyUI")
    if (
        adapter.key
        or adapter.scales.source not in ("metadata", "adapter_config.json")
        or row is None
        or row.scale is None
    ):
        return
    yield adapter.finding(
        f"alpha stands in the {adapter.scales.source} alone: ComfyUI applies the LoRA at {row.scale:g} times its "
        "trained strength",
        f"run `{adapter.command('bake-alpha', '--output NEW.safetensors')}`",
    )
