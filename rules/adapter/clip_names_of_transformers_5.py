from collections.abc import Iterator

from lora_doctor.adapter.facts import Adapter
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="reproduced")
def check(adapter: Adapter) -> Iterator[Finding]:
    """CLIP layers without the `text_model` level.

    Why: transformers 5 dropped that level from CLIPTextModel, so a LoRA saved with it says
    `text_encoder.encoder.layers`. diffusers maps both; ComfyUI knows `text_encoder.text_model.encoder.layers` only
    and leaves the encoder untrained.
    Instead: convert the file, which writes the level again.
    Sources: transformers 5.23 modeling_clip.py; ComfyUI comfy/lora.py@17358c8 (model_lora_keys_clip); diffusers
    0.42.1 loaders/lora_base.py

    ```adapter flagged
    model = "sdxl"
    format = "unet"
    targets = "mid_block.attentions.0.transformer_blocks.0.attn2"
    [extra]
    "text_encoder.encoder.layers.0.self_attn.q_proj.lora_A.weight" = [2, 768]
    "text_encoder.encoder.layers.0.self_attn.q_proj.lora_B.weight" = [768, 2]
    ```
    ```adapter clean
    model = "sdxl"
    format = "unet"
    targets = "mid_block.attentions.0.transformer_blocks.0.attn2"
    [extra]
    "text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_A.weight" = [2, 768]
    "text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_B.weight" = [768, 2]
    ```
    """
    if not any(prefix.startswith("text_encoder") for prefix in adapter.file.outline.prefixes):
        return
    lost = [la for la in adapter.layers if not la.denoiser and la.name.startswith("encoder.layers.")]
    if lost and adapter.identity.family in ("sdxl", "sd15", "sd2", "flux1") and not adapter.key:
        yield adapter.finding(
            f"{len(lost)} text encoder layers lack the text_model level: ComfyUI does not load them",
            f"run `{adapter.command('convert', '--to kohya --output NEW.safetensors')}`",
        )
