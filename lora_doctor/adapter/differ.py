"""What differs between two LoRA files: layers, metadata, and how far each layer's product has moved."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from lora_doctor.adapter import names
from lora_doctor.adapter.arrays import Weights
from lora_doctor.adapter.case import Case
from lora_doctor.adapter.convert import part_rows
from lora_doctor.adapter.factors import Product, product, singular_values
from lora_doctor.adapter.facts import Adapter
from lora_doctor.adapter.health import THIN, block_of
from lora_doctor.adapter.read import Layer
from lora_doctor.adapter.spelling import encoder_stem


class LayerDifference(NamedTuple):
    """One layer of both files: norms of its change in each, of their difference, and the cosine between them."""

    name: str
    block: str
    first: float
    second: float
    distance: float
    cosine: float


class Difference(NamedTuple):
    """only_first, only_second: layers the other file lacks. skipped: layers whose method has no thin form."""

    layers: tuple[LayerDifference, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    skipped: tuple[str, ...]
    metadata: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether both change the model the same way, to the rounding of single precision."""
        return not (self.only_first or self.only_second or self.skipped) and self.distance < 1e-6

    @property
    def distance(self) -> float:
        """Norm of the difference by the norm of the first file's change; 0 for equal files."""
        total = math.sqrt(sum(layer.first**2 for layer in self.layers))
        moved = math.sqrt(sum(layer.distance**2 for layer in self.layers))
        return moved / total if total else (0.0 if not moved else math.inf)

    @property
    def cosine(self) -> float:
        """Between the two changes as a whole; NaN where one is nothing."""
        first = math.sqrt(sum(layer.first**2 for layer in self.layers))
        second = math.sqrt(sum(layer.second**2 for layer in self.layers))
        inner = sum(layer.cosine * layer.first * layer.second for layer in self.layers if layer.first and layer.second)
        return inner / (first * second) if first and second else math.nan

    @property
    def growth(self) -> float:
        """Norm of the second file's change by that of the first."""
        first = math.sqrt(sum(layer.first**2 for layer in self.layers))
        return math.sqrt(sum(layer.second**2 for layer in self.layers)) / first if first else math.inf


class Side(NamedTuple):
    """A layer of diffusers' naming in one file: the layer that holds it, its rows, their halves exchanged or not."""

    layer: Layer
    scale: float
    part: int
    parts: tuple[int, ...]
    swapped: bool

    def product(self, weights: Weights) -> Product:
        """Its change, as a product."""
        whole = product(weights, self.layer, self.scale)
        begin = sum(self.parts[: self.part])
        up = whole.up[begin : begin + self.parts[self.part]] if len(self.parts) > 1 else whole.up
        return whole._replace(up=np.roll(up, up.shape[0] // 2, axis=0) if self.swapped else up)


def difference(first: Adapter, second: Adapter) -> Difference:
    """Compare two files layer by layer, whatever their spelling; fused projections are compared part by part."""
    mine, yours = _by_name(first), _by_name(second)
    layers, skipped = [], []
    with Weights(first.file) as a, Weights(second.file) as b:
        for name in (n for n in mine if n in yours):
            one, other = mine[name], yours[name]
            thin = one.layer.kind in THIN and other.layer.kind in THIN
            if not thin or one.layer.inputs != other.layer.inputs or one.parts[one.part] != other.parts[other.part]:
                skipped.append(name)
                continue
            layers.append(_compare(name, block_of(one.layer), one.product(a), other.product(b)))
    return Difference(
        tuple(layers),
        tuple(n for n in mine if n not in yours),
        tuple(n for n in yours if n not in mine),
        tuple(skipped),
        _metadata(first.file.metadata, second.file.metadata),
    )


def _by_name(adapter: Adapter) -> dict[str, Side]:
    case = Case(adapter.file, adapter.identity, adapter.format, adapter.scales)
    found = {}
    for layer, scale in zip(adapter.layers, adapter.scales.trained):
        place = names.find(case.naming, layer.name) if layer.denoiser and case.naming else None
        rows = layer.outputs or 0
        if place is None:
            found[f"{layer.part}.{encoder_stem(layer)}"] = Side(layer, scale, 0, (rows,), False)
        elif not place.whole or len(place.pair.parts) == 1:
            swapped = place.pair.swapped and place.naming == "native"
            found[place.pair.parts[place.row]] = Side(layer, scale, 0, (rows,), swapped)
        else:
            parts = tuple(part_rows(place.pair, layer.inputs or 0, rows))
            for i, name in enumerate(place.pair.parts):
                found[name] = Side(layer, scale, i, parts, False)
    return found


def _compare(name: str, block: str, one: Product, other: Product) -> LayerDifference:
    first, second = _norm(one), _norm(other)
    # one product of both: exact also where the two are almost the same, unlike the difference of two squares
    up = np.concatenate([one.up * one.scale, other.up * -other.scale], axis=1)
    moved = _norm(Product(up, np.concatenate([one.down, other.down]), 1.0))
    same = one.up.shape == other.up.shape and one.scale == other.scale
    if same and np.array_equal(one.up, other.up) and np.array_equal(one.down, other.down):
        moved = 0.0
    inner = (first**2 + second**2 - moved**2) / 2
    return LayerDifference(
        name, block, first, second, moved, inner / (first * second) if first and second else math.nan
    )


def _norm(of: Product) -> float:
    return float(np.sqrt((singular_values(of) ** 2).sum()))


def _metadata(first: dict[str, str], second: dict[str, str]) -> tuple[str, ...]:
    """Keys whose text differs, noted as added, removed or changed."""
    changed = [key for key in sorted({*first, *second}) if first.get(key) != second.get(key)]
    return tuple(f"{'added' if k not in first else 'removed' if k not in second else 'changed'} {k}" for k in changed)
