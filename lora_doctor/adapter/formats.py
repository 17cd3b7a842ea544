"""How a LoRA file spells its names, and which program wrote it."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from lora_doctor.adapter.read import AdapterFile, Layer

TITLES = {
    "diffusers": "diffusers (PEFT)", "old-diffusers": "diffusers (old spelling)", "comfyui": "ComfyUI native",
    "kohya": "kohya", "lycoris": "LyCORIS wrapper", "peft": "bare PEFT model", "bare": "no prefix",
    "checkpoint": "whole-checkpoint prefix", "onetrainer-legacy": "OneTrainer (legacy)", "xlabs": "XLabs",
    "mixed": "mixed prefixes", "none": "text encoder only",
}  # fmt: skip
_PREFIXES = {
    "transformer.": "diffusers", "unet.": "diffusers", "diffusion_model.": "comfyui", "lora_unet_": "kohya",
    "lora_prior_unet_": "kohya", "lycoris_": "lycoris", "base_model.model.": "peft", "": "bare",
    "model.diffusion_model.": "checkpoint", "lora_transformer_": "onetrainer-legacy",
}  # fmt: skip
_KINDS = {"lora": "LoRA", "loha": "LoHa", "lokr": "LoKr", "oft": "OFT", "glora": "GLoRA", "diff": "full difference"}


class Format(NamedTuple):
    """id: a key of TITLES. kinds: how many layers of each kind. dora: layers with a magnitude. infix: PEFT's adapter
    name where it was left in the names. suffix: of the down matrices, "lora_A", "lora_down" or "lora.down"."""

    id: str
    kinds: dict[str, int]
    dora: int
    infix: str
    suffix: str

    @property
    def title(self) -> str:
        """Format and method in words."""
        method = " + ".join(_KINDS.get(k, k) for k in self.kinds if k) or "unknown method"
        method = "DoRA" if self.dora and method == "LoRA" else f"{method} with DoRA" if self.dora else method
        return f"{method}, {TITLES[self.id]} names"


def format_of(file: AdapterFile) -> Format:
    """Classify a file's names."""
    layers = file.layers
    prefixes = {layer.prefix for layer in file.denoiser}
    keys = [layer.tensors["down"].key for layer in layers if "down" in layer.tensors]
    return Format(
        _id(prefixes, file.denoiser),
        dict(Counter([layer.kind for layer in layers])),
        sum([layer.dora for layer in layers]),
        next((k.infix for k in keys if k.infix), ""),
        _suffix(keys[0].suffix) if keys else "",
    )


def _id(prefixes: set[str], layers: tuple[Layer, ...]) -> str:
    if not prefixes:
        return "none"
    kinds = {_PREFIXES.get(p, "mixed") for p in prefixes}
    found = kinds.pop() if len(kinds) == 1 else "mixed"
    if any("processor" in layer.name or "_lora1" in layer.name for layer in layers):
        return "xlabs"
    if found == "diffusers":
        suffixes = {t.key.suffix for layer in layers for t in layer.tensors.values()}
        if any(".lora.down" in s or "lora_linear_layer" in s or "_lora.down" in s for s in suffixes):
            return "old-diffusers"
    return found


def _suffix(suffix: str) -> str:
    return "lora_A" if "lora_A" in suffix else "lora_down" if "lora_down" in suffix else "lora.down"


def writer_of(file: AdapterFile) -> str:
    """The program that wrote a file, by the marks it leaves in the metadata; "" where nothing tells."""
    meta = file.metadata
    if "ai-toolkit" in meta.get("software", ""):
        return "ai-toolkit"
    if "ot_revision" in meta or "ot_branch" in meta:
        return "OneTrainer"
    if meta.get("modelspec.implementation") == "diffusers" or "lycoris_config" in meta:
        return "SimpleTuner"
    if "ss_network_module" in meta:
        musubi = meta.get("ss_base_model_version", "").startswith("flux_2")
        return "musubi-tuner" if musubi else "sd-scripts"
    if "lora_adapter_metadata" in meta:
        return "diffusers"
    plain = set(meta) <= {"format"}
    if plain and any(layer.prefix == "diffusion_model." for layer in file.layers):
        return "diffusion-pipe, or another export to ComfyUI's names"
    return ""
