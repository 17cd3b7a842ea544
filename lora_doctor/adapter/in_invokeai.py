"""What InvokeAI does with a LoRA file: it is recognised when it is installed, by its names and some shapes, or never.

Read in invoke-ai/InvokeAI: model_manager/configs/lora.py@01d6f09, model_manager/load/model_loaders/lora.py@01d6f09,
model_manager/util/model_util.py@0eddabc; patches/lora_conversions: formats.py@12d6a69,
flux_kohya_lora_conversion_utils.py@b2cb34f, flux_diffusers_lora_conversion_utils.py@0b54f53,
flux_bfl_peft_lora_conversion_utils.py@540b2ee, flux_onetrainer_lora_conversion_utils.py@1896b51,
sdxl_lora_conversion_utils.py@2832ca3.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache

from lora_doctor.adapter import names
from lora_doctor.adapter.case import FLUX2, Answer, Case, unit
from lora_doctor.adapter.keys import DENOISER
from lora_doctor.adapter.outline import Outline
from lora_doctor.adapter.read import Layer
from lora_doctor.adapter.scale import from_tensor

_KINDS = {"lora", "loha", "lokr", "diff", "norm", "ia3"}


def invokeai(case: Case) -> Answer | None:
    """Its verdict; None where it isn't known."""
    if case.family == "sana":
        return Answer((), "InvokeAI has no SANA")
    if "magnitude" in case.file.outline.roles or "sdxl-refiner" in case.identity.candidates:
        return None
    if case.format.kinds.keys() - _KINDS:
        return _refused("Unsupported lora format")
    if case.family in FLUX2:
        return _flux2(case)
    return _flux1(case) if case.family == "flux1" else _unet(case)


def _refused(reason: str) -> Answer:
    return Answer((), reason, error=True)


# ---- FLUX

_BLOCKS = re.compile(r"(?:double|single)_blocks[._]\d+[._]")
_UNKNOWN_IN_KLEIN = re.compile(r"guidance_in|final_layer\.adaLN|final_layer_adaLN")
_FLUX1_WIDTH, _FLUX1_MLP = 3072, 12288


def _flux2(case: Case) -> Answer | None:
    layers, prefixes, naming = case.file.layers, case.file.outline.prefixes, case.identity.naming
    if naming == "diffusers" and len(prefixes) == 1 and prefixes <= {"transformer.", "base_model.model."}:
        return _flux2_diffusers(case)
    native = naming == "native" and prefixes <= {"diffusion_model.", "base_model.model."}
    kohya = naming == "native" and prefixes <= {"lora_unet_"}
    if not native and not kohya:
        return _refused("not recognised: it takes diffusers' names, native ones or kohya's, all of one kind")
    if kohya and not all(_BLOCKS.match(layer.name) for layer in layers):
        return _refused("not recognised: in kohya's names it takes layers of blocks only")
    if not _told_from_flux1(layers):
        return _refused("taken for a FLUX.1 LoRA: it looks for img_attn.proj and img_mlp.0")
    plain = ("lora", "lokr") if native else ("lora",)
    return _but(layers, lambda layer: _in_klein(layer, plain), "skipped: no such layer in its model", from_tensor)


def _told_from_flux1(layers: Sequence[Layer]) -> bool:
    """By the width of the first attention output, and for Klein 4B, whose width is FLUX.1's, by its MLP."""
    sizes = {re.sub(r"^double_blocks[._]\d+[._]", "", la.name).replace("_", "."): la for la in reversed(layers)}
    proj, mlp = sizes.get("img.attn.proj"), sizes.get("img.mlp.0")
    if proj is None:
        return False
    return proj.inputs != _FLUX1_WIDTH or (mlp is not None and mlp.outputs != _FLUX1_MLP)


def _in_klein(layer: Layer, split: tuple[str, ...]) -> bool:
    """Whether a native layer finds its place in diffusers' model; q, k and v of some methods are not split."""
    if _UNKNOWN_IN_KLEIN.match(layer.name):
        return False
    return not layer.name.endswith("qkv") or (layer.kind in split and not layer.dora)


def _flux2_diffusers(case: Case) -> Answer:
    if case.format.kinds.keys() - {"lora"} or "alpha" in case.file.outline.roles or case.format.dora:
        return _refused("not recognised: in diffusers' names it takes A and B matrices only")
    first = {"single_transformer_blocks.0.attn.to_qkv_mlp_proj", "transformer_blocks.0.ff.linear_in"}
    marks = ("to_qkv_mlp_proj", "ff.linear_in", "ff_context.linear_in")
    layers = case.file.layers
    if not any(mark in layer.name for mark in marks for layer in layers):
        return _refused("not recognised: it looks for to_qkv_mlp_proj or linear_in")
    if not any(layer.name in first or layer.name == "context_embedder" for layer in layers):
        return _refused("taken for a FLUX.1 LoRA: it looks for to_qkv_mlp_proj or ff.linear_in in the first block")
    return Answer(layers, scale=unit)


def _flux1(case: Case) -> Answer | None:
    layers, prefixes, naming = case.file.layers, case.file.outline.prefixes, case.identity.naming
    if case.format.id == "xlabs":
        known = all(layer.name.startswith("double_blocks.") for layer in layers)
        return (
            Answer(layers, scale=unit) if known else _refused("not recognised: of XLabs' layers it takes double blocks")
        )
    if prefixes <= {"lora_unet_", "lora_te1_", "lora_te2_"} and naming == "native":
        blocks = all(_BLOCKS.match(layer.name) or not layer.denoiser for layer in layers)
        return (
            Answer(layers, scale=from_tensor) if blocks else _refused("not recognised: it takes layers of blocks only")
        )
    if "lora_te3_" in prefixes:
        return _refused("not recognised: it calls the T5 encoder lora_te2_, sd-scripts lora_te3_")
    if naming == "native" and prefixes <= {"diffusion_model.", "base_model.model."}:
        return Answer(layers, scale=from_tensor)
    if naming == "diffusers" and len(prefixes) == 1:
        if prefixes == {"lora_transformer_"}:
            return _split_attention(case, from_tensor)
        if prefixes <= {"transformer.", "base_model.model."}:
            return _flux1_diffusers(case)
    return _refused("not recognised: it takes diffusers' names, native ones or kohya's, all of one kind")


def _flux1_diffusers(case: Case) -> Answer:
    if case.format.kinds.keys() - {"lora"} or "alpha" in case.file.outline.roles or case.format.dora:
        return _refused("not recognised: in diffusers' names it takes A and B matrices only")
    have = {layer.name for layer in case.file.layers}
    if not {"single_transformer_blocks.0.attn.to_q", "transformer_blocks.0.attn.add_q_proj"} <= have:
        return _refused(
            "not recognised: it looks for to_q of the first single and add_q_proj of the first double block"
        )
    return _split_attention(case, unit)


def _split_attention(case: Case, scale: Callable[[Layer], float]) -> Answer:
    """Its model has q, k and v of double blocks in one layer: all three have to be there."""
    parts: Counter[str] = Counter()
    for layer in case.file.layers:
        place = names.find(case.naming, layer.name)
        if place and place.pair.native.startswith("double_blocks") and len(place.pair.parts) == 3:
            parts[place.pair.native] += 1
    lacking = next((native for native, count in parts.items() if count < 3), "")
    return (
        _refused(f"Missing LoRA layer: q, k and v of {lacking} have to be trained together")
        if lacking
        else Answer(case.file.layers, scale=scale)
    )


# ---- UNets


def _unet(case: Case) -> Answer:
    sdxl = case.family == "sdxl"
    own = {"lora_unet_", "lora_te1_", "lora_te2_"} if sdxl else {"lora_unet_", "lora_te_"}
    others = case.file.outline.prefixes - own
    if others:
        return _refused(f"not recognised: it takes kohya's names only, not {min(others)!r}")
    if not any(map(_tells_the_width, case.file.denoiser)) and not _encoders_tell(case, sdxl=sdxl):
        return _refused("not recognised: it looks for attn2.to_k or to_v, which tell the model")
    namings = _namings(case.naming, case.file.outline)
    if sdxl and len({*namings} - {"", "encoder"}) > 1:
        return _refused("could only be partially converted: it mixes Stability's names with diffusers'")
    # for Stable Diffusion 1 and 2 it keeps the names, and its models are diffusers'
    unfound = {""} if sdxl else {"", "native", "fused"}
    if unfound.isdisjoint(namings):
        return Answer(case.file.layers, scale=from_tensor)
    taken = [layer for layer, naming in zip(case.file.layers, namings) if naming not in unfound]
    return Answer(taken, "Failed to find module for LoRA layer key: a warning for each", scale=from_tensor)


@lru_cache(maxsize=32)
def _namings(model: str, outline: Outline) -> tuple[str, ...]:
    """Of each layer, the naming its name belongs to: "" for a name the model lacks, "encoder" for a text encoder's."""
    namings = names.namings(model).all(outline.columns.name)
    return tuple(["encoder" if part != DENOISER else each for part, each in zip(outline.columns.part, namings)])


def _tells_the_width(layer: Layer) -> bool:
    return layer.flat.endswith(("attn2_to_k", "attn2_to_v", "time_emb_proj"))


def _encoders_tell(case: Case, *, sdxl: bool) -> bool:
    """The width of the text encoders' attention; of SDXL, of both together."""
    parts = {layer.part for layer in case.file.layers if not layer.denoiser and "self_attn" in layer.name}
    return len(parts) == 2 if sdxl else bool(parts)


def _but(
    layers: Sequence[Layer], keep: Callable[[Layer], bool], reason: str, scale: Callable[[Layer], float]
) -> Answer:
    taken = [layer for layer in layers if keep(layer)]
    lost = next((layer.name for layer in layers if not keep(layer)), "")
    return Answer(taken, f"{lost} {reason}" if lost else "", scale=scale)
