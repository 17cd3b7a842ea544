"""Which model a LoRA belongs to, by the names and shapes of its layers; metadata is told, and never beats a shape.

A model is a candidate when it has every layer of the file with exactly these inputs and outputs. Base and distilled
Klein, FLUX.1 dev, schnell and Kontext, SDXL and its fine-tunes have equal layers: no header tells them apart.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from lora_doctor.adapter import names
from lora_doctor.adapter.keys import flatten
from lora_doctor.adapter.read import Layer
from lora_doctor.models.families import FAMILIES
from lora_doctor.models.modules import table


class Model(NamedTuple):
    """A model with a table of layers. `label` is shared by variants whose layers are alike."""

    id: str
    label: str
    family: str
    size: str | None
    variant: str
    naming: str  # the key of `names.find`


def _sized(family: str) -> list[Model]:
    return [Model(s.id, s.id, family, s.name, "", family) for s in FAMILIES[family].sizes]


MODELS = (
    *_sized("flux2-klein"),
    *_sized("flux2-dev"),
    Model("flux1-dev", "flux1", "flux1", None, "dev", "flux1"),
    Model("flux1-schnell", "flux1", "flux1", None, "schnell", "flux1"),
    Model("sana-600m", "sana-600m", "sana", "600M", "1.0", "sana"),
    Model("sana-sprint-600m", "sana-600m", "sana", "600M", "sprint", "sana-sprint"),
    Model("sana-1.6b", "sana-1.6b", "sana", "1.6B", "1.0", "sana"),
    Model("sana1.5-1.6b", "sana-1.6b", "sana", "1.6B", "1.5", "sana"),
    Model("sana-sprint-1.6b", "sana-1.6b", "sana", "1.6B", "sprint", "sana-sprint"),
    Model("sana1.5-4.8b", "sana1.5-4.8b", "sana", "4.8B", "1.5", "sana"),
    Model("sdxl", "sdxl", "sdxl", None, "", "sdxl"),
    Model("sdxl-refiner", "sdxl-refiner", "sdxl", None, "refiner", "sdxl-refiner"),
    Model("sd15", "sd15", "sd15", None, "", "sd15"),
    Model("sd21", "sd21", "sd2", None, "", "sd21"),
)
BY_ID = {m.id: m for m in MODELS}
_UNET_LAYER = re.compile(
    r"(down|up|mid|input|output|middle)_block|conv_(in|out)$|time_embed|add_embedding|label_emb|out_2$"
)

# Models without a table here whose layers have the same names and shapes, where only such layers are trained:
# Qwen-Image, Chroma, LongCat-Image and Ovis-Image have FLUX.1's attention, PixArt and SANA-Video have SANA's.
_TWINS = (
    (
        ("flux1", "flux2-klein-4b"),
        r"^(transformer_blocks_\d+_attn|double_blocks_\d+_(img|txt)_attn)_",
        "Qwen-Image, Chroma, LongCat-Image or Ovis-Image",
    ),
    (("sana-600m",), r"transformer_blocks_\d+_attn\d_", "PixArt"),
    (("sana-1.6b",), r"transformer_blocks_\d+_attn\d_", "SANA-Video"),
)

# `ss_base_model_version` (ai-toolkit, musubi-tuner, sd-scripts) and `modelspec.architecture`, by how they begin.
_CLAIMS = (
    ("flux2kleinbase4b", "flux2-klein-4b"), ("flux2kleinbase9b", "flux2-klein-9b"),
    ("flux2klein4b", "flux2-klein-4b"), ("flux2klein9b", "flux2-klein-9b"), ("flux2", "flux2-dev"),
    ("flux1", "flux1"), ("sdxl", "sdxl"), ("stablediffusionxlv1base", "sdxl"),
    ("stablediffusionxlv1refiner", "sdxl-refiner"), ("sdv1", "sd15"), ("sd15", "sd15"), ("stablediffusionv1", "sd15"),
    ("sdv2", "sd21"), ("sd21", "sd21"), ("stablediffusionv2", "sd21"),
)  # fmt: skip


class Identity(NamedTuple):
    """What a LoRA was made for.

    label: "flux2-klein-9b", "flux1", "sana-1.6b"..., "" where no known model has these layers or several do. certainty:
    "certain", "likely", "ambiguous" or "unknown". candidates: ids of all models that have every layer. variants: of the
    label, those that fit equally. twins: models without a table that may be meant. naming: of the layers, "diffusers",
    "native", "mixed" or "". claim: the label its metadata names; conflict: a sentence where shapes rule that out.
    nearest: for an unknown one, the model most of whose names fit. names_of: for an unknown one, the key for
    `names.find` whose names it has.
    """

    label: str = ""
    family: str | None = None
    size: str | None = None
    certainty: str = "unknown"
    reason: str = ""
    candidates: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    twins: str = ""
    naming: str = ""
    claim: str = ""
    conflict: str = ""
    nearest: str = ""
    names_of: str = ""


def identify(layers: Sequence[Layer], metadata: dict[str, str]) -> Identity:
    """Identify a LoRA by its denoiser's layers."""
    claim = claimed(metadata)
    if not layers:
        return Identity(claim=claim, reason="it has no layers of a transformer or UNet")
    flats = [layer.flat for layer in layers]
    possible = [m for m in MODELS if _speaks(m, flats[0])]
    fitting = [m for m in possible if all(map(_fits(m), layers, flats))]
    if not fitting:
        return _stranger(layers, flats, possible, claim)
    labels = tuple(dict.fromkeys(m.label for m in fitting))
    identity = Identity(
        candidates=tuple(m.id for m in fitting),
        claim=claim,
        conflict=_conflict(claim, labels),
        naming=_naming(fitting[0], flats),
    )
    return _decide(identity, fitting, labels, flats)


def _speaks(model: Model, flat: str) -> bool:
    unet = model.naming in names.UNETS
    if unet and not _UNET_LAYER.match(flat):
        return False
    return names.find(model.naming, flat) is not None


@cache
def shapes(model_id: str) -> dict[str, tuple[int, int, int]]:
    """(inputs, outputs, kernel area) of every layer of a model, by flat name in any of its namings."""
    model = BY_ID[model_id]
    other = "sgm" if model.naming in names.UNETS else "native"
    found = {}
    for module in (*table(model_id, "diffusers"), *table(model_id, other)):
        kernel = module.kernel or (1, 1)
        found[flatten(module.name)] = (module.inputs, module.outputs, kernel[0] * kernel[1])
    if other == "native":
        for native in table(model_id, "native"):
            place = names.find(model.naming, native.name)
            fused = names.fused_name(place.pair) if place else None
            if fused:
                found[flatten(fused)] = (native.inputs, native.outputs, 1)
    return found


def _fits(model: Model):  # type: ignore[no-untyped-def]
    known = shapes(model.id)

    def fits(layer: Layer, flat: str) -> bool:
        size = known.get(flat)
        if size is None or layer.inputs is None:
            return size is not None
        # without Tucker factors LoHa and LoKr flatten a convolution's kernel into its inputs
        return layer.outputs == size[1] and layer.inputs in (size[0], size[0] * size[2])

    return fits


def _naming(model: Model, flats: list[str]) -> str:
    found = {*names.namings(model.naming).all(flats)} - {""}
    return found.pop() if len(found) == 1 else "mixed"


def _decide(identity: Identity, fitting: list[Model], labels: tuple[str, ...], flats: list[str]) -> Identity:
    twins = _twins(labels, flats)
    if len(labels) == 1:
        certainty = "likely" if twins else "certain"
        reason = "only this model has all its layers with these shapes"
        reason += f", but {twins} trained in their attention alone look the same" if twins else ""
        return _named(identity, labels[0], fitting, certainty, reason, twins)
    shares = {label: max(_share(m, flats) for m in fitting if m.label == label) for label in labels}
    best = max(labels, key=lambda each: shares[each])
    others = [label for label in labels if label != best]
    if identity.claim in labels:
        rest = " or ".join(label for label in labels if label != identity.claim)
        reason = f"the shapes also fit {rest}; its metadata says {identity.claim}"
        return _named(identity, identity.claim, fitting, "likely", reason, twins)
    if shares[best] > 0.999 and all(shares[o] < 0.8 for o in others):
        reason = f"the only one whose blocks are all trained; {' or '.join(others)} in part would look the same"
        return _named(identity, best, fitting, "likely", reason, twins)
    families = {m.family for m in fitting}
    reason = f"{', '.join(labels[:-1])} and {labels[-1]} have these layers with the same shapes"
    return identity._replace(
        family=families.pop() if len(families) == 1 else None, certainty="ambiguous", reason=reason, twins=twins
    )


def _named(identity: Identity, label: str, fitting: list[Model], certainty: str, reason: str, twins: str) -> Identity:
    own = [m for m in fitting if m.label == label]
    return identity._replace(
        label=label,
        family=own[0].family,
        size=own[0].size,
        certainty=certainty,
        reason=reason,
        variants=tuple(m.variant for m in own if m.variant),
        twins=twins,
    )


def _share(model: Model, flats: list[str]) -> float:
    """Of each kind of trained layer, the share of blocks it is trained in; the mean over kinds."""
    kinds = _kinds(model.id)
    have = Counter(map(_kind, flats))
    return sum(min(1.0, n / kinds[kind]) for kind, n in have.items()) / len(have)


@cache
def _kinds(model_id: str) -> Counter[str]:
    return Counter(map(_kind, shapes(model_id)))


@cache
def _kind(flat: str) -> str:
    return re.sub(r"_\d+(?=_)", "_#", flat, count=1)


def _twins(labels: tuple[str, ...], flats: list[str]) -> str:
    for owners, pattern, others in _TWINS:
        if set(labels) & set(owners) and all(re.search(pattern, flat) for flat in flats):
            return others
    return ""


def _conflict(claim: str, labels: tuple[str, ...]) -> str:
    if not claim or claim in labels:
        return ""
    return f"its metadata says {claim}, its shapes fit {' or '.join(labels)} only"


def _stranger(layers: Sequence[Layer], flats: list[str], possible: list[Model], claim: str) -> Identity:
    """No known model has all layers: the family by names alone, and what comes nearest."""
    named = {m.naming: sum(names.find(m.naming, flat) is not None for flat in flats) for m in possible}
    complete = [m for m in possible if named[m.naming] == len(flats)]
    families = {m.family for m in complete}
    hits = {m.id: sum(map(_fits(m), layers, flats)) for m in possible}
    nearest = max(hits, key=lambda each: hits[each], default="")
    reason = "no model that lora-doctor knows has these layers"
    if nearest and hits[nearest]:
        reason += f"; {hits[nearest]} of {len(layers)} would fit {nearest}"
    elif complete:
        reason = f"its layers have {complete[0].family}'s names, but no known size of it has these shapes"
    claimed_family = next((m.family for m in MODELS if m.label == claim), None)
    spoken = next((m.naming for m in complete if m.family == claimed_family), "")
    if not spoken and (len(families) == 1 or families == {"flux2-klein", "flux2-dev"}):
        spoken = complete[0].naming
    return Identity(
        family=families.pop() if len(families) == 1 else None,
        reason=reason,
        naming=_naming(complete[0], flats) if complete else "",
        claim=claim,
        nearest=nearest,
        names_of=spoken,
    )


def claimed(metadata: dict[str, str]) -> str:
    """The label that a file's metadata names, or ""."""
    for key in ("ss_base_model_version", "modelspec.architecture"):
        text = re.sub(r"[^a-z0-9]", "", metadata.get(key, "").lower())
        for start, label in _CLAIMS:
            if text.startswith(start):
                return label
    return ""


def trained_on(metadata: dict[str, str]) -> str:
    """The base model's file or repository as its metadata names it, or ""."""
    for key in ("ss_sd_model_name", "modelspec.usage_hint", "base_model_name_or_path"):
        if metadata.get(key):
            return metadata[key]
    try:
        recorded = json.loads(metadata.get("lora_adapter_metadata", "{}"))
    except (ValueError, RecursionError):
        return ""
    if not isinstance(recorded, dict):
        return ""
    return next((v for k, v in recorded.items() if k.endswith("base_model_name_or_path") and isinstance(v, str)), "")
