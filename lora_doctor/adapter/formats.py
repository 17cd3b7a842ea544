"""How a LoRA file spells its names, and which program wrote it."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import NamedTuple

from lora_doctor.adapter.keys import DENOISER
from lora_doctor.adapter.outline import Outline
from lora_doctor.adapter.read import MAGNITUDES, AdapterFile

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
    id_, infix, suffix = _spelled(file.outline)
    kinds = dict(Counter([layer.kind for layer in file.layers]))
    dora = sum([layer.dora for layer in file.layers]) if file.outline.roles & MAGNITUDES else 0
    return Format(id_, kinds, dora, infix, suffix)


@lru_cache(maxsize=32)
def _spelled(outline: Outline) -> tuple[str, str, str]:
    downs = (group.keys[group.roles.index("down")] for group in outline.groups if "down" in group.roles)
    first = next(downs, None)
    infix = next((key.infix for key in (first, *downs) if key and key.infix), "") if outline.infixes else ""
    return _id(outline), infix, _suffix(first.suffix) if first else ""


_XLABS = re.compile(r"(?:double|single)_blocks\.\d+\.processor\b")


def _id(outline: Outline) -> str:
    prefixes = {prefix for part, prefix in {*zip(outline.columns.part, outline.columns.prefix)} if part == DENOISER}
    if not prefixes:
        return "none"
    kinds = {_PREFIXES.get(prefix, "mixed") for prefix in prefixes}
    found = kinds.pop() if len(kinds) == 1 else "mixed"
    if "" in prefixes and any(map(_XLABS.match, outline.columns.name)):
        return "xlabs"
    if found == "diffusers":
        if any(".lora.down" in s or "lora_linear_layer" in s or "_lora.down" in s for s in outline.suffixes):
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
    if plain and "diffusion_model." in file.outline.prefixes:
        return "diffusion-pipe, or another export to ComfyUI's names"
    return ""
