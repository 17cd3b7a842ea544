"""A header's tensors as the clues need them: names without their wrapping, shapes, counts, precision."""

from __future__ import annotations

import re
from typing import NamedTuple

from .header import TensorInfo

# How whole checkpoints and ComfyUI files wrap the denoiser.
_DENOISER_PREFIXES = ("model.diffusion_model.", "diffusion_model.", "net.")
_CHECKPOINT_PARTS = (
    "first_stage_model.", "cond_stage_model.", "conditioner.", "text_encoders.", "vae.", "te.", "cond_stage_model.",
)  # fmt: skip
_ADAPTER = re.compile(
    r"\.lora_(A|B|down|up|mid|magnitude_vector)\b|\.lora\.(down|up)\.|\.lora_linear_layer\.|\.hada_[wt]\d|\.lokr_[wt]\d|"
    r"_lora\.(down|up)\.|\.lora[12]\.|_lora[12]\.|\.oft_(blocks|R)\b|\.dora_scale$"
)
_QUANT_SUFFIX = re.compile(r"\.(scale_weight|weight_scale|input_scale|scale_input|weight_scale_2|comfy_quant)$")


class Clue(NamedTuple):
    """What one look at a header found; the fields of `identify.ModelIdentity` without its problem."""

    role: str = "unknown"
    family: str | None = None
    size: str | None = None
    variant: str | None = None
    precision: str | None = None
    encoder: str | None = None
    vae: str | None = None
    layout: str | None = None
    evidence: str = ""
    certainty: str = "unknown"


class Tensors(NamedTuple):
    """Shapes by name, the denoiser's wrapping removed.

    wrapped: whether it had one. parts: the other models in the same file (VAE, text encoders), by prefix.
    adapter: the name of a tensor only adapters have, or "".
    """

    shapes: dict[str, tuple[int, ...]]
    wrapped: bool
    parts: tuple[str, ...]
    adapter: str

    def shape(self, *names: str) -> tuple[int, ...] | None:
        """Shape of the first of these tensors that exists."""
        return next((self.shapes[n] for n in names if n in self.shapes), None)

    def has(self, *starts: str) -> bool:
        """Whether any tensor's name starts so."""
        return any(n.startswith(starts) for n in self.shapes)

    def count(self, start: str) -> int:
        """How many different block numbers follow `start` ("double_blocks.")."""
        numbers = {n[len(start) :].split(".", 1)[0] for n in self.shapes if n.startswith(start)}
        return sum(1 for n in numbers if n.isdigit())


def view(tensors: dict[str, TensorInfo]) -> Tensors:
    """Unwrap the names of a header's tensors."""
    adapter = next((n for n in tensors if _ADAPTER.search(n)), "")
    prefix = next((p for p in _DENOISER_PREFIXES if any(n.startswith(p) for n in tensors)), "")
    shapes = {(n[len(prefix) :] if prefix and n.startswith(prefix) else n): t.shape for n, t in tensors.items()}
    parts = tuple(p for p in dict.fromkeys(_CHECKPOINT_PARTS) if any(n.startswith(p) for n in tensors))
    return Tensors(shapes, bool(prefix), parts, adapter)


def precision_of(tensors: dict[str, TensorInfo]) -> str | None:
    """Storage precision of most of the weights, by element count; None for a header without tensors.

    Quantisation leaves its mark beside the weights: bitsandbytes `quant_state`, ComfyUI `scale_weight` and
    `comfy_quant`, LLM.int8 `SCB`.
    """
    if not tensors:
        return None
    if any("quant_state.bitsandbytes__nf4" in n for n in tensors):
        return "nf4"
    bulk: dict[str, int] = {}
    for name, info in tensors.items():
        if not name.endswith(".comfy_quant"):
            bulk[info.dtype] = bulk.get(info.dtype, 0) + info.offsets[1] - info.offsets[0]
    dtype = max(bulk, key=lambda d: bulk[d]) if bulk else ""
    scaled = any(_QUANT_SUFFIX.search(n) or n.endswith("scaled_fp8") for n in tensors)
    if dtype == "U8" and any(n.endswith(".weight_scale_2") for n in tensors):
        return "nvfp4"
    if dtype.startswith("F8_E"):
        mixed = any(n.endswith(".comfy_quant") for n in tensors)
        return "fp8mixed" if mixed else "fp8_scaled" if scaled else "fp8"
    return {"BF16": "bf16", "F16": "fp16", "F32": "fp32", "I8": "int8", "F4": "fp4"}.get(dtype)
