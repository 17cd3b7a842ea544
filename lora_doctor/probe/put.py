"""A checkpoint's LoRA onto a loaded model, in whatever trainer's names it is written.

Its tensors get diffusers' names, PEFT layers are put where it has some, of the ranks it has, and the scale it was
trained at is taken into B: the layers' own is 1. The next checkpoint of a run has the same layers, and only its numbers
are exchanged; where it has others, the layers are made anew, so that nothing of one checkpoint stays in the next.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from torch import Tensor

from lora_doctor.adapter.facts import Adapter as File
from lora_doctor.adapter.read import AdapterError
from lora_doctor.train import adapters
from lora_doctor.train.exports import as_diffusers
from lora_doctor.train.families import Family, Models
from lora_doctor.train.job import Adapter
from lora_doctor.train.targets import UnfitError


class Put(NamedTuple):
    """What lies on the model: names and sizes of its tensors; text_encoder: layers of text encoders, left out."""

    sizes: frozenset[tuple[str, tuple[int, ...]]] = frozenset()
    text_encoder: int = 0


def put(family: Family, models: Models, file: File, before: Put | None = None) -> Put:
    """Put a checkpoint on the model, in place of the one before.

    Raises:
        AdapterError: it has no form that PEFT knows, or does not fit this model.
    """
    scales, tensors = as_diffusers(file)
    begin = f"{family.DENOISER}."
    own = {key: _scaled(key, value, scales) for key, value in tensors.items() if key.startswith(begin)}
    if not own:
        raise AdapterError(f"has no layer of the {family.DENOISER}: nothing can be asked about it")
    found = Put(
        frozenset((key, tuple(value.shape)) for key, value in own.items()),
        len({key.partition(".lora_")[0] for key in tensors if not key.startswith(begin)}),
    )
    try:
        if before is None or before.sizes != found.sizes:
            take_off(models)
            adapters.inject(family, models, _adapter(own, begin))
        adapters.restore(family, models, own)
    except UnfitError as problem:
        take_off(models)
        raise AdapterError(f"does not fit the base model: {problem.why}") from None
    return found


def take_off(models: Models) -> None:
    """Leave the base model as it was loaded."""
    if adapters.NAME in getattr(models.denoiser, "peft_config", {}):
        models.denoiser.unload_lora()


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
