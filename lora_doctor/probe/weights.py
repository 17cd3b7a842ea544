"""How the adapter grows: norms of its update and their direction, from small Gram matrices, never forming the update.

For factors B `[out, r]` and A `[r, in]` and scale s: |sBA|^2 = s^2 tr(B'B AA'), and <s1 B1 A1, s2 B2 A2> =
s1 s2 sum((B1'B2) * (A1 A2')), in O((in + out) r^2) per layer. Only plain LoRA layers have such factors; of LoKr,
LoHa and the like the number of elements that stood still is told and nothing else; DoRA's magnitudes are left out.
"""

from __future__ import annotations

from statistics import median
from typing import Any, NamedTuple

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor

from lora_doctor.train.adapters import NAME
from lora_doctor.train.families import Models

LARGEST = 3  # layers named


class Factors(NamedTuple):
    """One layer's factors on the CPU: down `[r, in]`, up `[out, r]`, and what their product is scaled by."""

    down: Tensor
    up: Tensor
    scale: float


class Growth(NamedTuple):
    """Of the whole adapter. None where it can't be told (yet).

    `norm` is the Frobenius norm of the update; `largest` names the layers with the most of it. `stable_rank` is the
    median over layers of |W|^2 / sigma_1^2. `moved` is the norm of the change since the last look by `norm`; `cosine`
    of this change with the one before: below 0 it goes back and forth. `unchanged` is the share of elements that are
    bit for bit what they were: near 1 while the loss has gradients, steps are lost to rounding.
    """

    norm: float | None
    largest: dict[str, float]
    stable_rank: float | None
    moved: float | None
    cosine: float | None
    unchanged: float | None


class WeightProbe:
    """Looks at the adapter from time to time; holds its last two states."""

    def __init__(self) -> None:
        self._factors: list[dict[str, Factors]] = []
        self._elements: dict[str, Tensor] = {}

    def __call__(self, models: Models) -> Growth:
        """How it stands now."""
        factors, elements = factors_of(models), _elements(models)
        norms = {name: _inner(each, each) ** 0.5 for name, each in factors.items()}
        total = sum(value * value for value in norms.values()) ** 0.5
        largest = dict(sorted(norms.items(), key=lambda pair: -pair[1])[:LARGEST])
        moved, cosine = self._motion(factors, total)
        growth = Growth(
            total if norms else None,
            {name: round(value, 6) for name, value in largest.items() if value > 0},
            _stable_rank(factors, norms),
            moved,
            cosine,
            _unchanged(elements, self._elements),
        )
        self._factors = [*self._factors[-1:], factors]
        self._elements = elements
        return growth

    def _motion(self, now: dict[str, Factors], norm: float) -> tuple[float | None, float | None]:
        if not self._factors or not now or norm == 0:
            return None, None
        last = self._factors[-1]
        step = _gram(now, now) - 2 * _gram(now, last) + _gram(last, last)
        moved = max(0.0, step) ** 0.5
        if len(self._factors) < 2 or moved == 0:
            return moved / norm, None
        first = self._factors[-2]
        before = max(0.0, _gram(last, last) - 2 * _gram(last, first) + _gram(first, first)) ** 0.5
        along = _gram(now, last) - _gram(now, first) - _gram(last, last) + _gram(last, first)
        return moved / norm, along / (moved * before) if before > 0 else None


def factors_of(models: Models) -> dict[str, Factors]:
    """The factors of every plain LoRA layer of the denoiser."""
    found = {}
    for name, module in models.denoiser.named_modules():
        if isinstance(module, BaseTunerLayer) and NAME in getattr(module, "lora_A", {}):
            layer: Any = module
            down, up = (_copy(each[NAME].weight) for each in (layer.lora_A, layer.lora_B))
            found[name] = Factors(down.flatten(1), up.flatten(1), float(layer.scaling[NAME]))
    return found


def _elements(models: Models) -> dict[str, Tensor]:
    return {name: _as_is(p) for name, p in models.denoiser.named_parameters() if p.requires_grad}


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", torch.float32, copy=True)


def _as_is(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", copy=True)


def _inner(one: Factors, other: Factors) -> float:
    left, right = one.up.T @ other.up, one.down @ other.down.T
    return one.scale * other.scale * float((left.double() * right.double()).sum())


def _gram(one: dict[str, Factors], other: dict[str, Factors]) -> float:
    return sum(_inner(one[name], other[name]) for name in one if name in other)


def _stable_rank(factors: dict[str, Factors], norms: dict[str, float]) -> float | None:
    ranks = []
    for name, each in factors.items():
        if norms[name] > 0:
            left, right = torch.linalg.qr(each.up)[1], torch.linalg.qr(each.down.T)[1]
            top = float(torch.linalg.matrix_norm(left @ right.T, 2)) * abs(each.scale)
            ranks.append((norms[name] / top) ** 2 if top > 0 else 1.0)
    return median(ranks) if ranks else None


def _unchanged(now: dict[str, Tensor], before: dict[str, Tensor]) -> float | None:
    known = [name for name in now if name in before]
    total = sum(now[name].numel() for name in known)
    if not total:
        return None
    return sum(int((now[name] == before[name]).sum()) for name in known) / total
