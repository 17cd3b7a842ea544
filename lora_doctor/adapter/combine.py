"""New LoRAs out of old ones: fold the scale in, change the rank, merge several, average checkpoints.

Everything works on products, never on factors alone: the mean of two Bs times the mean of two As is not the mean of
the products (A and B of two checkpoints may turn against each other).
"""

from __future__ import annotations

import functools
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from lora_doctor.adapter import names
from lora_doctor.adapter.arrays import FINENESS, Array, Weights, narrow, widen
from lora_doctor.adapter.case import UNETS, Case
from lora_doctor.adapter.convert import Made, write_made
from lora_doctor.adapter.factors import Product, product, truncate
from lora_doctor.adapter.facts import Adapter
from lora_doctor.adapter.identify import BY_ID
from lora_doctor.adapter.read import AdapterError, Layer
from lora_doctor.adapter.spelling import Spelling, encoder_stem, spelling
from lora_doctor.models.modules import namings, table


class Outcome(NamedTuple):
    """layers: written. kept: the smallest and the mean share of squared strength a layer keeps (1: nothing lost).
    rounding: the largest relative error of a factor, from writing it in the file's number format."""

    layers: int
    ranks: tuple[int, ...]
    kept: tuple[float, float] = (1.0, 1.0)
    rounding: float = 0.0


def style_of(adapter: Adapter) -> Spelling:
    """The spelling that comes nearest to a file's own."""
    case = Case(adapter.file, adapter.identity, adapter.format, adapter.scales)
    native = adapter.identity.naming == "native"
    flat = adapter.format.id in ("kohya", "lycoris", "onetrainer-legacy")
    target = "kohya" if flat and native else "comfyui" if native else "diffusers"
    if adapter.format.id == "kohya" and case.family in UNETS:
        target = "kohya"
    if case.family == "sana":
        target = "diffusers"
    return spelling(target, case.naming, case.family)


def bake(adapter: Adapter, output: Path, *, dtype: str | None = None, overwrite: bool = False) -> Outcome:
    """Fold every layer's scale into its factors, so that all programs apply the same strength.

    A power of two is exact. Other scales round in the file's number format; `dtype` "F32" makes that vanish.
    """
    style, worst = style_of(adapter), 0.0
    with Weights(adapter.file) as weights:
        made = []
        for layer, scale in zip(adapter.layers, adapter.scales.trained):
            if layer.problem or not layer.kind:
                raise AdapterError(f"cannot be baked: {layer.name} {layer.problem}")
            folded, error = _baked(weights, layer, scale, dtype)
            worst = max(worst, error)
            made.append(folded._replace(name=_own_name(adapter, layer, style)))
        write_made(output, made, style, adapter.file.metadata, overwrite=overwrite)
    return Outcome(len(made), adapter.ranks, rounding=worst)


def _own_name(adapter: Adapter, layer: Layer, style: Spelling) -> str:
    if not layer.denoiser:
        return encoder_stem(layer)
    case = Case(adapter.file, adapter.identity, adapter.format, adapter.scales)
    place = names.find(case.naming, layer.name)
    if place is None or (place.naming != style.naming and not place.whole):
        raise AdapterError(f"mixes namings: convert it first (`lora-doctor convert --to {style.id}`)")
    if place.naming == style.naming:
        return place.dotted
    return place.pair.native if style.naming == "native" else place.pair.parts[0]


# The factor that takes the scale, by method: LoKr's and LoHa's first one has few numbers.
_CARRIERS = ("up", "hada_w1_a", "lokr_w1", "lokr_w1_a")


def _baked(weights: Weights, layer: Layer, scale: float, dtype: str | None) -> tuple[Made, float]:
    carrier = next((role for role in _CARRIERS if role in layer.roles), None)
    tensors: dict[str, tuple[str, tuple[int, ...], Callable[[], Array]]] = {}
    worst = 0.0
    for role, tensor in layer.tensors.items():
        if role == "alpha":
            continue
        factor = scale if role in (carrier, "bias") else 1.0  # PEFT scales the bias of B too
        target = dtype or tensor.info.dtype
        if role == carrier and factor != 1.0:
            worst = _rounding(weights.array(tensor), factor, target)
        tensors[role] = (target, tensor.info.shape, functools.partial(_scaled, weights, tensor, factor, target))
    return Made(layer.part, layer.name, layer.kind, layer.rank, 1.0 if layer.rank else None, tensors), worst


def _scaled(weights: Weights, tensor: object, factor: float, dtype: str) -> Array:
    bits = weights.bits(tensor)  # type: ignore[arg-type]
    if factor == 1.0:
        return bits if dtype == tensor.info.dtype else narrow(widen(bits), dtype)  # type: ignore[attr-defined]
    return narrow(widen(bits).astype(np.float64) * factor, dtype)


def _rounding(array: Array, factor: float, dtype: str) -> float:
    if math.frexp(factor)[0] == 0.5 or not array.size:
        return 0.0
    meant = array.astype(np.float64) * factor
    size = float(np.linalg.norm(meant))
    return float(np.linalg.norm(widen(narrow(meant, dtype)) - meant)) / size if size else 0.0


# ---- several files, by layer


class Member(NamedTuple):
    """One file and its weight in the sum."""

    adapter: Adapter
    weight: float


class Sum(NamedTuple):
    """One layer of the result: the products that add up to it."""

    part: str
    name: str
    kernel: tuple[int, ...]
    outputs: int
    terms: tuple[Callable[[], Product], ...]
    dtype: str


def merge(
    members: Sequence[Member],
    output: Path,
    *,
    rank: int | None = None,
    energy: float | None = None,
    dtype: str | None = None,
    overwrite: bool = False,
) -> Outcome:
    """The weighted sum: exact, with the ranks added up, or the best approximation at `rank` or `energy`."""
    style = style_of(members[0].adapter)
    metadata = members[0].adapter.file.metadata if len(members) == 1 else {"format": "pt"}
    kept, ranks, made = [], set(), []
    with ExitStack() as stack:
        spool = stack.enter_context(tempfile.TemporaryFile(dir=output.parent))
        for each in _sums(members, style, stack):
            layer, share = _summed(each, rank, energy, dtype or each.dtype, spool)
            kept.append(share)
            ranks.add(layer.rank or 0)
            made.append(layer)
        write_made(output, made, style, metadata, overwrite=overwrite)
    return Outcome(len(made), tuple(sorted(ranks)), (min(kept), sum(kept) / len(kept)))


def average(
    adapters: Sequence[Adapter],
    output: Path,
    *,
    rank: int | None = None,
    dtype: str | None = None,
    overwrite: bool = False,
) -> Outcome:
    """The mean of several checkpoints' products, at the rank of the largest unless another is asked for."""
    members = [Member(adapter, 1 / len(adapters)) for adapter in adapters]
    largest = max((r for a in adapters for r in a.ranks), default=1)
    return merge(members, output, rank=rank or largest, dtype=dtype, overwrite=overwrite)


def resize(
    adapter: Adapter,
    output: Path,
    *,
    rank: int | None = None,
    energy: float | None = None,
    dtype: str | None = None,
    overwrite: bool = False,
) -> Outcome:
    """The best approximation of every layer at a rank, or at as many columns as keep a share of its energy.

    LoHa and LoKr become plain LoRAs.
    """
    return merge([Member(adapter, 1.0)], output, rank=rank, energy=energy, dtype=dtype, overwrite=overwrite)


def _sums(members: Sequence[Member], style: Spelling, stack: ExitStack) -> Iterator[Sum]:
    """Layers of all files under common names; a layer that one file has fused and another split is refused."""
    grouped: dict[tuple[str, str], list[tuple[Weights, Layer, float]]] = {}
    kernels: dict[str, tuple[int, ...]] = {}
    for member in members:
        kernels.update(_kernels(member.adapter))
        weights = stack.enter_context(Weights(member.adapter.file))
        for layer, scale in zip(member.adapter.layers, member.adapter.scales.trained):
            if layer.dora:
                raise AdapterError(f"is a DoRA: {layer.name}'s change depends on the base's weights and can't be added")
            if "bias" in layer.roles:
                raise AdapterError(f"has a bias in {layer.name} (lora_bias), which would be lost")
            if not layer.kind:
                raise AdapterError(f"cannot be used: {layer.name} {layer.problem}")
            name = _own_name(member.adapter, layer, style)
            grouped.setdefault((layer.part, name), []).append((weights, layer, scale * member.weight))
    for (part, name), found in grouped.items():
        first = found[0][1]
        for _, layer, _ in found:
            if (layer.inputs, layer.outputs) != (first.inputs, first.outputs):
                raise AdapterError(f"belong to different models: {name} has other sizes in each")
        dtypes = [t.info.dtype for _, la, _ in found for r, t in la.tensors.items() if r != "alpha"]
        terms = tuple(functools.partial(product, weights, layer, scale) for weights, layer, scale in found)
        finest = max(dtypes, key=lambda d: FINENESS.index(d) if d in FINENESS else 0)
        yield Sum(part, name, first.kernel or kernels.get(name, ()), first.outputs or 0, terms, finest)


def _kernels(adapter: Adapter) -> dict[str, tuple[int, ...]]:
    """Kernels of the model's convolutions, by either name: LoHa and LoKr flatten them into the inputs."""
    if not adapter.identity.candidates or not {"loha", "lokr"} & set(adapter.format.kinds):
        return {}
    model = BY_ID[adapter.identity.candidates[0]]
    tables = (module for naming in namings(model.id) for module in table(model.id, naming))
    return {module.name: module.kernel for module in tables if module.kernel}


def _summed(each: Sum, rank: int | None, energy: float | None, dtype: str, spool: IO[bytes]) -> tuple[Made, float]:
    products = [term() for term in each.terms]
    up = np.concatenate([p.up * np.float32(p.scale) if p.scale != 1 else p.up for p in products], axis=1)
    down = np.concatenate([p.down for p in products])
    kept = min(p.kept for p in products)
    if rank is not None or energy is not None:
        up, down, share = truncate(Product(up, down, 1.0), rank, energy)
        kept *= share
    size = up.shape[1]
    kernel = each.kernel
    inputs = down.shape[1] // math.prod(kernel or (1,))
    tensors: dict[str, tuple[str, tuple[int, ...], Callable[[], Array]]] = {
        "down": (dtype, (size, inputs, *kernel), _spooled(spool, narrow(down, dtype))),
        "up": (dtype, (each.outputs, size, *(1 for _ in kernel)), _spooled(spool, narrow(up, dtype))),
    }
    return Made(each.part, each.name, "lora", size, 1.0, tensors), kept


def _spooled(spool: IO[bytes], array: Array) -> Callable[[], Array]:
    """Keep an array on disk until it is written, so that one layer at a time lies in memory."""
    begin, size, kind, shape = spool.seek(0, 2), array.nbytes, array.dtype, array.shape
    spool.write(np.ascontiguousarray(array).view(np.uint8).reshape(-1).data)

    def read() -> Array:
        spool.seek(begin)
        return np.frombuffer(spool.read(size), kind).reshape(shape)

    return read
