"""Whether a LoRA fits the model it is to be used with."""

from __future__ import annotations

from typing import NamedTuple

from lora_doctor.adapter.identify import BY_ID, Identity
from lora_doctor.models.families import FAMILIES, is_distilled
from lora_doctor.models.identify import ModelIdentity

_DENOISERS = ("transformer", "checkpoint", "pipeline", "diffusers", "unknown", "model")


class Fit(NamedTuple):
    """verdict: "fits", "refuses" (other names or shapes), or "unknown". notes: what is true of this pair besides."""

    verdict: str
    sentence: str
    notes: tuple[str, ...] = ()


def fit(identity: Identity, base: ModelIdentity) -> Fit:
    """Compare a LoRA with a model by family, size and variant."""
    mine = identity.label or identity.family
    if base.family is None or mine is None:
        what = "the model" if base.family is None else "the LoRA"
        return Fit("unknown", f"cannot be told: {what} is not known ({base.evidence or identity.reason})")
    theirs = _title(base)
    fitting = [BY_ID[i] for i in identity.candidates]
    same = [m for m in fitting if m.family == base.family and (base.size is None or m.size in (None, base.size))]
    same = [m for m in same if (m.variant == "refiner") == (base.variant == "refiner")]
    if fitting and not same:
        return Fit("refuses", f"does not fit: it is made for {mine}, the model is {theirs}")
    if not fitting:
        if identity.family != base.family:
            return Fit("refuses", f"does not fit: it is made for {mine}, the model is {theirs}")
        return Fit("unknown", f"has {mine}'s names, but no known size of it has these shapes")
    if base.size is None and len({m.size for m in fitting if m.family == base.family}) < len(_sizes(base.family)):
        return Fit("unknown", f"is made for {mine}; the model is {base.family} of a size that is not known")
    return Fit("fits", f"fits {theirs}", _notes(base))


def _sizes(family: str | None) -> tuple[object, ...]:
    known = FAMILIES.get(family or "")
    return known.sizes if known else ()


def _title(base: ModelIdentity) -> str:
    return " ".join(filter(None, (base.family, base.size, base.variant)))


def _notes(base: ModelIdentity) -> tuple[str, ...]:
    notes = []
    if base.family == "flux2-klein":
        notes.append("base and distilled Klein have equal layers: no header tells which one it was trained on")
    if is_distilled(base.variant):
        notes.append("on a distilled model a LoRA trained on the base works, at another strength than on the base")
    if base.precision in ("fp8", "fp8_scaled", "fp8mixed", "nvfp4", "nf4", "int8", "int4", "gguf", "fp4"):
        notes.append(
            f"the model is stored in {base.precision}: load the LoRA beside it, merged into it small changes round away"
        )
    return tuple(notes)
