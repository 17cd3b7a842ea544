"""One tensor's name in a LoRA file, taken apart: which model, which layer, which role.

The spellings are those of diffusers, PEFT, ComfyUI, kohya-ss/sd-scripts, LyCORIS, OneTrainer, DiffSynth and XLabs.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

DENOISER = "denoiser"

# What stands before a denoiser's layer name; the first that fits wins.
_PREFIXES = (
    "base_model.model.", "model.diffusion_model.", "diffusion_model.", "transformer.", "unet.", "lora_transformer_",
    "lora_prior_unet_", "lora_unet_", "lycoris_",
)  # fmt: skip
FLAT_PREFIXES = frozenset(p for p in _PREFIXES if p.endswith("_"))
_TEXT_ENCODER = re.compile(r"(text_encoders?(?:_(\d))?)\.|lora_te(\d?)_")
_LANGUAGE_MODEL = re.compile(
    r"(?:base_model\.model\.)?(?:(?:model|language_model|transformer|gpt_neox)\.)*(?:layers|h)\.\d+\."
    r"(?:self_attn|mlp|attn\.c_|self_attention|attention)"
)

# The last component of a name, where it tells the role by itself.
_ENDS = {
    "alpha": "alpha", "lora_alpha": "alpha", "dora_scale": "dora_scale", "lora_magnitude_vector": "magnitude",
    "lora_A": "down", "lora_B": "up", "lora_down": "down", "lora_up": "up",
    "oft_blocks": "oft", "oft_diag": "oft", "diff": "diff", "diff_b": "diff_b", "set_weight": "diff",
    "w_norm": "norm", "b_norm": "norm", "rescale": "oft", "on_input": "ia3",
    **{f"hada_{w}": f"hada_{w}" for w in ("w1_a", "w1_b", "w2_a", "w2_b", "t1", "t2")},
    **{f"lokr_{w}": f"lokr_{w}" for w in ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t1", "t2")},
}  # fmt: skip
# The last but one, before ".weight".
_WEIGHTS = {
    "lora_A": "down", "lora_B": "up", "lora_down": "down", "lora_up": "up", "lora_mid": "mid",
    "lora_magnitude_vector": "magnitude", "oft_R": "oft",
    "a1": "glora_a1", "a2": "glora_a2", "b1": "glora_b1", "b2": "glora_b2",
}  # fmt: skip
_HALVES = {"down": "down", "up": "up"}
_OLD_DIFFUSERS = ("lora", "lora_linear_layer")


class Key(NamedTuple):
    """A name's pieces: `prefix + layer + suffix` is the name again.

    part: "denoiser", or "text_encoder", "text_encoder_2"... role: "down" and "up" (LoRA's A and B), "mid", "alpha",
    "dora_scale", "magnitude", "hada_*", "lokr_*", "diff"... infix: the adapter's name where PEFT left it in
    (`lora_A.default.weight`). stem: prefix and layer together, which all tensors of a layer share.
    """

    part: str
    prefix: str
    layer: str
    role: str
    suffix: str
    infix: str
    stem: str

    @property
    def name(self) -> str:
        """The name again."""
        return self.stem + self.suffix


def parse(name: str) -> Key | None:
    """Take a tensor's name apart; None where nothing in it belongs to an adapter."""
    found = _role(name)
    if found is None:
        return None
    stem, role, infix = found
    part, prefix, layer = layer_of(stem)
    return Key(part, prefix, layer, role, name[len(stem) :], infix, stem)


def _role(name: str) -> tuple[str, str, str] | None:
    """(name without its suffix, role, infix)."""
    stem, _, end = name.rpartition(".")
    if end in _ENDS and stem:
        return stem, _ENDS[end], ""
    if end == "bias" and stem.endswith(".lora_B"):
        return stem[: -len(".lora_B")], "bias", ""
    if end != "weight":
        return None
    stem, _, word = stem.rpartition(".")
    if word in _WEIGHTS and stem:
        return stem, _WEIGHTS[word], ""
    if word in _HALVES:
        return _old(stem, _HALVES[word])
    rest, _, outer = stem.rpartition(".")
    if outer in _WEIGHTS and rest:
        return rest, _WEIGHTS[outer], word
    return None


def _old(stem: str, role: str) -> tuple[str, str, str] | None:
    """`to_q.lora.down.weight`, `to_q_lora.down.weight` and XLabs' `processor.qkv_lora1.down.weight`."""
    rest, _, word = stem.rpartition(".")
    if word in _OLD_DIFFUSERS and rest:
        return rest, role, ""
    if stem.endswith("_lora"):
        return stem[: -len("_lora")], role, ""
    return (stem, role, "") if stem.endswith(("_lora1", "_lora2")) else None


def layer_of(stem: str) -> tuple[str, str, str]:
    """Part, prefix and name of the layer that a name without its suffix stands for."""
    part, prefix = _part(stem)
    return part, prefix, stem[len(prefix) :]


@lru_cache(maxsize=4096)
def _part(stem: str) -> tuple[str, str]:
    encoder = _TEXT_ENCODER.match(stem)
    if encoder:
        number = encoder[2] or encoder[3] or ""
        return "text_encoder" if number in ("", "1") else f"text_encoder_{number}", encoder[0]
    if stem.startswith(_PREFIXES):
        for prefix in _PREFIXES:
            if stem.startswith(prefix):
                return DENOISER, prefix
    return DENOISER, ""


def flatten(layer: str) -> str:
    """A layer's name as kohya writes it: dots become underscores."""
    return layer.replace(".", "_")


def plain(layer: str) -> str:
    """A layer's flat name, without the `processor` of 2023's diffusers (`attn1.processor.to_out_lora.down.weight`)."""
    flat = flatten(layer)
    if "attn" not in flat or "_processor_to_" not in flat:
        return flat
    flat = flat.replace("_processor_to_", "_to_")
    return f"{flat}_0" if flat.endswith("_to_out") else flat


def of_language_model(name: str) -> bool:
    """Whether a tensor belongs to the LoRA of a language model."""
    return _LANGUAGE_MODEL.match(name) is not None
