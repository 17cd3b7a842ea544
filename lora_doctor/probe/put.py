"""A checkpoint's adapter onto a loaded model, in whatever trainer's names it is written.

A LoRA's tensors get diffusers' names, PEFT layers are put where it has some, of the ranks it has, and the scale it was
trained at is taken into B: the layers' own is 1. The next checkpoint of a run has the same layers, and only its numbers
are exchanged; where it has others, the layers are made anew, so that nothing of one checkpoint stays in the next. What
PEFT has no layer for here (LoKr and LoHa, fused or not, and text encoders) is put on by `lora_doctor.probe.changed`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from torch import Tensor

from lora_doctor.adapter import names
from lora_doctor.adapter.arrays import Weights
from lora_doctor.adapter.case import Case
from lora_doctor.adapter.convert import part_rows
from lora_doctor.adapter.facts import Adapter as File
from lora_doctor.adapter.read import AdapterError, Layer
from lora_doctor.probe.changed import Change, change, change_of, restore
from lora_doctor.train import adapters
from lora_doctor.train.exports import as_diffusers
from lora_doctor.train.families import Family, Models
from lora_doctor.train.job import Adapter
from lora_doctor.train.targets import UnfitError


class Put(NamedTuple):
    """What lies on the model: names and sizes of its tensors; encoders: layers of text encoders; left_out: layers of
    text encoders that could not be put on.
    """

    sizes: frozenset[tuple[str, tuple[int, ...]]] = frozenset()
    encoders: int = 0
    left_out: int = 0


def put(family: Family, models: Models, file: File, before: Put | None = None) -> Put:
    """Put a checkpoint on the model, in place of the one before.

    Raises:
        AdapterError: it has no form that is known here, or does not fit this model.
    """
    _take_changes_off(models)
    try:
        if set(file.format.kinds) <= {"lora"}:
            return _put_lora(family, models, file, before)
        take_off(models)
        return _put_changes(family, models, file)
    except (UnfitError, AdapterError) as problem:
        take_off(models)
        if isinstance(problem, AdapterError):
            raise
        raise AdapterError(f"does not fit the base model: {problem.why}") from None


def take_off(models: Models) -> None:
    """Leave the base model as it was loaded."""
    _take_changes_off(models)
    if adapters.NAME in getattr(models.denoiser, "peft_config", {}):
        models.denoiser.unload_lora()


def _take_changes_off(models: Models) -> None:
    for part in (models.denoiser, *models.text_encoders):
        restore(part)


def _put_lora(family: Family, models: Models, file: File, before: Put | None) -> Put:
    scales, tensors = as_diffusers(file)
    begin = f"{family.DENOISER}."
    own = {key: _scaled(key, value, scales) for key, value in tensors.items() if key.startswith(begin)}
    others = {key: value for key, value in tensors.items() if key.startswith("text_encoder")}
    if not own and not others:
        raise AdapterError(f"has no layer of the {family.DENOISER}: nothing can be asked about it")
    sizes = frozenset((key, tuple(value.shape)) for key, value in own.items())
    if before is None or before.sizes != sizes:
        take_off(models)
        if own:
            adapters.inject(family, models, _adapter(own, begin))
    adapters.restore(family, models, own)
    return Put(sizes, *_put_encoders(family, models, others, scales))


def _put_encoders(
    family: Family, models: Models, tensors: dict[str, Tensor], scales: dict[str, float]
) -> tuple[int, int]:
    """How many layers of text encoders were put on, and how many were left out: what decomposes its weights (DoRA)."""
    parts = adapters.components(family, models, encoders=True)
    layers = {key.partition(".lora_")[0] for key in tensors}
    done = 0
    for name in sorted(layers):
        part, _, within = name.partition(".")
        down, up = (tensors.get(f"{name}.lora_{side}.weight") for side in "AB")
        known = {f"{name}.lora_A.weight", f"{name}.lora_B.weight"}
        more = any(key.startswith(f"{name}.lora_") and key not in known for key in tensors)
        if part not in parts or down is None or up is None or more:
            continue
        change(parts[part], within, Change("lora", {"down": down.float(), "up": up.float()}, scales[name]))
        done += 1
    return done, len(layers) - done


def _put_changes(family: Family, models: Models, file: File) -> Put:
    """LoKr, LoHa, or a mixture: every layer's change by its own matrices."""
    found, left_out = 0, 0
    with Weights(file.file) as weights:
        for layer, scale in zip(file.layers, file.scales.trained):
            if not layer.denoiser:
                left_out += 1
                continue
            for name, what in _named(file, layer, change_of(weights, layer, scale)):
                change(models.denoiser, name, what)
                found += 1
    if not found:
        raise AdapterError(f"has no layer of the {family.DENOISER}: nothing can be asked about it")
    return Put(left_out=left_out)


def _named(file: File, layer: Layer, what: Change) -> Iterator[tuple[str, Change]]:
    """A layer's change under diffusers' names; a fused one is cut into its parts' rows."""
    case = Case(file.file, file.identity, file.format, file.scales)
    place = names.find(case.naming, layer.name) if case.naming else None
    if place is None:
        raise AdapterError(f"cannot be asked about: {layer.name} is no layer of a model lora-doctor knows")
    pair = place.pair
    swapped = pair.swapped and place.naming != "diffusers"
    if not place.whole or len(pair.parts) == 1:
        yield pair.parts[place.row], what._replace(swapped=swapped)
        return
    if layer.inputs is None or layer.outputs is None:
        raise AdapterError(f"cannot be asked about: {layer.name} does not say how large it is")
    start = 0
    for part, rows in zip(pair.parts, part_rows(pair, layer.inputs, layer.outputs)):
        yield part, what._replace(rows=(start, start + rows))
        start += rows


def _scaled(key: str, value: Tensor, scales: dict[str, float]) -> Tensor:
    layer, found, _ = key.partition(".lora_B.")
    return value.float() * scales[layer] if found else value.float()


def _adapter(tensors: dict[str, Tensor], begin: str) -> Adapter:
    """What PEFT has to make for these tensors."""
    ranks = {
        key.removeprefix(begin).removesuffix(".lora_A.weight"): int(value.shape[0])
        for key, value in tensors.items()
        if key.endswith(".lora_A.weight")
    }
    usual = Counter(ranks.values()).most_common(1)[0][0]
    others = {re.escape(name): rank for name, rank in ranks.items() if rank != usual}
    return Adapter(
        kind="dora" if any("lora_magnitude_vector" in key for key in tensors) else "lora",
        rank=usual,
        alpha=float(usual),
        targets=tuple(ranks),
        rank_pattern=others,
        alpha_pattern={name: float(rank) for name, rank in others.items()},
    )
