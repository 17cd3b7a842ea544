"""How a program wants a LoRA file's names: prefix, naming, suffixes, and where alpha stands."""

from __future__ import annotations

import re
from typing import NamedTuple

from lora_doctor.adapter.case import FLUX2
from lora_doctor.adapter.keys import DENOISER, flatten
from lora_doctor.adapter.read import AdapterError, Layer

_ENCODERS = ("lora_te1_", "lora_te2_", "lora_te3_")
TARGETS = ("diffusers", "comfyui", "kohya")
_SUFFIXES = {
    "lora_A": {"down": ".lora_A.weight", "up": ".lora_B.weight"},
    "lora_down": {"down": ".lora_down.weight", "up": ".lora_up.weight"},
}
_OTHERS = {
    "mid": ".lora_mid.weight", "magnitude": ".lora_magnitude_vector", "dora_scale": ".dora_scale",
    "norm": ".w_norm", "bias": ".lora_B.bias", "oft": ".oft_blocks",
    **{f"glora_{x}": f".{x}.weight" for x in ("a1", "a2", "b1", "b2")},
}  # fmt: skip


class Spelling(NamedTuple):
    """How names are put together for one program and model.

    id: a key of TARGETS. model: the key for `names.pairs`. naming: "native" or "diffusers". words: "lora_A" or
    "lora_down". alpha: "metadata", "needed" (a tensor where the scale is not 1) or "always". component: in diffusers'
    metadata. encoders: prefixes of the text encoders, in their order.
    """

    id: str
    model: str
    prefix: str
    naming: str
    words: str
    alpha: str
    component: str = ""
    encoders: tuple[str, ...] = ()

    def stem(self, part: str, name: str) -> str:
        """A layer's name as this program writes it, without suffix."""
        if part == DENOISER:
            return self.prefix + (flatten(name) if self.prefix.endswith("_") else name)
        if self.id == "diffusers":
            return f"{part}.{name}"
        number = {"text_encoder": 0, "text_encoder_2": 1, "text_encoder_3": 2}.get(part, 0)
        return self.encoders[min(number, len(self.encoders) - 1)] + flatten(name)

    def suffix(self, role: str) -> str:
        """What stands behind it for a role."""
        return _SUFFIXES[self.words].get(role) or _OTHERS.get(role) or f".{role}"


def spelling(target: str, naming: str, family: str | None) -> Spelling:
    """The spelling of a program for a model.

    Raises:
        AdapterError: that program has no such files, or the model is not known.
    """
    if family is None or not naming:
        raise AdapterError("cannot be converted: its layers have the names of no model lora-doctor knows")
    if family in FLUX2 or family == "flux1":
        if target == "diffusers":
            return Spelling("diffusers", naming, "transformer.", "diffusers", "lora_A", "metadata", "transformer")
        encoders: tuple[str, ...] = ("lora_te_",) if family in FLUX2 else _ENCODERS
        if target == "comfyui":
            return Spelling("comfyui", naming, "diffusion_model.", "native", "lora_A", "needed", encoders=encoders)
        return Spelling("kohya", naming, "lora_unet_", "native", "lora_down", "always", encoders=encoders)
    if family == "sana":
        if target != "diffusers":
            raise AdapterError(f"cannot be converted: nothing loads SANA in {target}'s names; diffusers does")
        return Spelling("diffusers", naming, "transformer.", "diffusers", "lora_A", "metadata", "transformer")
    if target == "diffusers":
        return Spelling("diffusers", naming, "unet.", "diffusers", "lora_A", "metadata", "unet")
    unet_encoders = _ENCODERS[:2] if family == "sdxl" else ("lora_te_",)
    # sd-scripts flattens Stability's names for SDXL and diffusers' names for Stable Diffusion 1 and 2
    own = "native" if family == "sdxl" else "diffusers"
    return Spelling("kohya", naming, "lora_unet_", own, "lora_down", "always", encoders=unet_encoders)


_CLIP = re.compile(r"(?:text_model_)?encoder_layers_(\d+)_(self_attn|mlp)_(\w+)$")


def encoder_stem(layer: Layer) -> str:
    """A CLIP layer's dotted name, with the `text_model` level that transformers 5 leaves out and ComfyUI needs."""
    flat = _CLIP.match(flatten(layer.name))
    if flat:
        return f"text_model.encoder.layers.{flat[1]}.{flat[2]}.{flat[3]}"
    return layer.name
