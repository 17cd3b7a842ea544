from collections.abc import Iterator

from lora_doctor.adapter.facts import Adapter
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(adapter: Adapter) -> Iterator[Finding]:
    """Text encoder layers that no program applies.

    Why: the pipelines of FLUX.2 and SANA load a LoRA into the transformer only; keys of a text encoder are dropped
    without a word. What the encoder learned is missing at inference, and the transformer was trained to rely on it.
    Instead: train the transformer alone for these models. For FLUX.2, ComfyUI knows such layers as
    `lora_te_layers_0_...`: `lora-doctor convert --to kohya` writes them so.
    Sources: diffusers 0.42.1 Flux2LoraLoaderMixin and SanaLoraLoaderMixin (_lora_loadable_modules ==
    ["transformer"]); ComfyUI comfy/lora.py@17358c8 (model_lora_keys_clip); Comfy-Org/ComfyUI#4439, https://github.com/Comfy-Org/ComfyUI/issues/4439

    ```adapter flagged
    model = "flux2-klein-4b"
    targets = "single_transformer_blocks.0"
    [extra]
    "text_encoder.layers.0.self_attn.q_proj.lora_A.weight" = [2, 2560]
    "text_encoder.layers.0.self_attn.q_proj.lora_B.weight" = [4096, 2]
    ```
    ```adapter clean
    model = "flux2-klein-4b"
    targets = "single_transformer_blocks.0"
    ```
    """
    encoders = len(adapter.layers) - len(adapter.file.denoiser)
    row = adapter.loads_in("ComfyUI")
    applied = row is not None and row.status == "all"
    if encoders and not applied and adapter.identity.family in ("flux2-klein", "flux2-dev", "sana"):
        yield adapter.finding(
            f"{encoders} layers belong to the text encoder: no program applies them for {adapter.identity.family}",
            "train the transformer alone",
        )
