"""What ComfyUI and its descendants do with a LoRA file.

Read in ComfyUI 17358c8 (comfy/lora.py), Forge 00f1cd3 (packages_3rdparty/comfyui_lora_collection/lora.py) and b6cfd7f
(extensions-builtin/sd_forge_lora/networks.py), Forge Neo (Haoming02/sd-webui-forge-classic, branch neo) 0cc5e9e
(modules_forge/packages/comfy/lora.py), 02c508d (huggingface_guess/model_list.py), 19cc879 (sd_forge_lora/networks.py);
its key map of Klein is ComfyUI's (pull request 670).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, lru_cache

from lora_doctor.adapter import names
from lora_doctor.adapter.case import FLUX2, UNETS, Answer, Case
from lora_doctor.adapter.kept import Kept
from lora_doctor.adapter.keys import DENOISER, layer_of
from lora_doctor.adapter.outline import Outline
from lora_doctor.adapter.read import Layer
from lora_doctor.adapter.scale import from_tensor

_UNMAPPED_FLUX2 = re.compile(
    r"^(time_guidance_embed|double_stream_modulation_\w+\.linear|single_stream_modulation\.linear)"
)


def comfyui(case: Case) -> Answer:
    if case.family == "sana":
        return Answer((), "ComfyUI has no SANA")
    known = _comfy_knows(case.family or "", case.naming, case.file.outline)
    taken = [layer for layer, one in zip(case.file.layers, known) if one and layer.kind]
    if case.file.outline.infixes - {"default"}:
        taken = [layer for layer in taken if {key.infix for key in layer.keys} <= {"", "default"}]
    reason = "" if len(taken) == len(case.file.layers) else "lora key not loaded: " + _first_lost(case, taken)
    if "magnitude" in case.file.outline.roles and any("magnitude" in layer.roles for layer in taken):
        reason = "DoRA: lora_magnitude_vector is not loaded, so it acts as a plain LoRA"
    elif "bias" in case.file.outline.roles:
        reason = "lora_B.bias is not loaded"
    return Answer(taken, reason, scale=from_tensor)


def _first_lost(case: Case, taken: Sequence[Layer]) -> str:
    known = set(map(id, taken))
    lost = next(layer for layer in case.file.layers if id(layer) not in known)
    return lost.keys[0].name


@lru_cache(maxsize=32)
def _comfy_knows(family: str, naming: str, outline: Outline) -> tuple[bool, ...]:
    """Of each layer's name, whether ComfyUI's key map has it."""
    return tuple(_key_map(family, naming).all(outline.columns.stem))


@cache
def _key_map(family: str, naming: str) -> Kept[str, bool]:
    return Kept(lambda stem: _comfy_name(family, naming, *layer_of(stem)))


def _comfy_name(family: str, naming: str, part: str, prefix: str, name: str) -> bool:
    if part != DENOISER:
        return _clip_name(family, prefix, name)
    place = names.find(naming, name)
    if place is None or place.naming == "fused":
        return False
    if family in UNETS:
        return _comfy_unet(prefix, name, place)
    if place.naming == "native":
        return prefix == "lora_unet_" or (prefix == "diffusion_model." and name == place.dotted)
    if family in FLUX2 and _UNMAPPED_FLUX2.match(place.dotted):
        return False
    return prefix in ("transformer.", "lycoris_", "lora_transformer_", "")


def _comfy_unet(prefix: str, name: str, place: names.Place) -> bool:
    if prefix == "lora_unet_":
        return True
    if prefix == "diffusion_model.":
        return place.naming == "native" and ("." in name or place.dotted == name)
    if place.naming != "diffusers":
        return False
    # of diffusers' own names it knows the old `processor` spelling of attention only
    return prefix == "lycoris_" or (prefix in ("unet.", "") and _old_attention(name))


def _old_attention(name: str) -> bool:
    return ".to_" not in name or ".processor.to_" in name


def _clip_name(family: str, prefix: str, name: str) -> bool:
    """Text encoders: kohya's names, and diffusers' with the `text_model` level that transformers 5 dropped; where the
    one encoder is a language model, `lora_te_layers_...`."""
    if family in FLUX2:
        return prefix == "lora_te_" and name.startswith("layers_")
    if family not in (*UNETS, "flux1"):
        return False
    return prefix.startswith("lora_te") or name.startswith("text_model.")


# Loading is given up beyond this.
MAX_UNMATCHED = 12  # tensors, Forge
MAX_UNMATCHED_SHARE = 0.5  # of all tensors, Forge Neo


def forge(case: Case, comfy: Answer) -> Answer:
    """An older copy of ComfyUI's key map; a LoRA with more than a dozen unknown tensors is skipped as a whole."""
    if case.family in FLUX2:
        return Answer((), "Forge has no FLUX.2 (Forge Neo has Klein)")
    if case.family == "sana":
        return Answer((), "Forge has no SANA")
    if case.family == "flux1":
        own = ("lora_unet_", "diffusion_model.", "transformer.")
        taken = [layer for layer in comfy.layers if layer.prefix in own or not layer.denoiser]
    else:
        taken = [layer for layer in comfy.layers if layer.prefix != "lycoris_"]
    if case.file.outline.infixes:
        taken = [layer for layer in taken if not any(key.infix for key in layer.keys)]
    unmatched = _unmatched(case, taken)
    if taken and unmatched > MAX_UNMATCHED:
        reason = f"{unmatched} of its tensors have names that Forge does not know: with more than {MAX_UNMATCHED} "
        return Answer((), reason + "it skips the whole LoRA")
    return _reworded(case, comfy, taken)


def forge_neo(case: Case, comfy: Answer) -> Answer:
    """ComfyUI's key map of 2025 with Klein's names; where over half of the tensors are unknown, nothing is loaded."""
    if case.family in ("sana", "sd2", "flux2-dev"):
        missing = {"sana": "SANA", "sd2": "Stable Diffusion 2", "flux2-dev": "FLUX.2-dev"}
        return Answer((), f"Forge Neo has no {missing[case.family]}")
    taken = list(comfy.layers)
    if case.family not in UNETS:  # names without a prefix are DiffSynth's, which ComfyUI came to know later
        encoders = case.family not in FLUX2
        taken = [layer for layer in taken if (layer.prefix if layer.denoiser else encoders)]
    unmatched, total = _unmatched(case, taken), len(case.file.header.tensors)
    if taken and unmatched > MAX_UNMATCHED_SHARE * total:
        reason = f"{unmatched} of its {total} tensors have names that Forge Neo does not know: beyond half "
        return Answer((), reason + "it skips the whole LoRA")
    return _reworded(case, comfy, taken)


def _unmatched(case: Case, taken: Sequence[Layer]) -> int:
    """Tensors that no layer takes; PEFT's magnitudes are among them."""
    outline = case.file.outline
    if len(taken) == len(outline.groups) and not outline.strangers and "magnitude" not in outline.roles:
        return 0
    known = sum([len(layer.roles) - layer.roles.count("magnitude") for layer in taken])
    return len(case.file.header.tensors) - known


def _reworded(case: Case, comfy: Answer, taken: Sequence[Layer]) -> Answer:
    if len(taken) == len(comfy.layers):
        return comfy
    return Answer(taken, "key not known: " + _first_lost(case, taken), scale=comfy.scale)
