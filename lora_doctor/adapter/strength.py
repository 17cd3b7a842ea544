"""How large a LoRA's changes are beside the weights they change, where the base model lies on this disk.

An estimate: of each weight evenly spaced stretches are read, a million numbers at most, instead of gigabytes.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lora_doctor.adapter import arrays, names
from lora_doctor.adapter.facts import Adapter
from lora_doctor.adapter.health import Health
from lora_doctor.adapter.identify import BY_ID
from lora_doctor.adapter.read import FLOATS, decode_scalar
from lora_doctor.models.header import HeaderError, TensorInfo, read_header

SAMPLE = 1_000_000  # numbers of each weight
STRETCHES = 64


def with_ratios(adapter: Adapter, base: Path) -> Health | None:
    """A measured file's health with each layer's norm by that of the base's weight; None where it can't be told."""
    health = adapter.health
    if health is None or not adapter.identity.candidates:
        return None
    try:
        index = _tensors(base)
    except (HeaderError, OSError):
        return None
    naming = BY_ID[adapter.identity.candidates[0]].naming
    layers = []
    for layer in health.layers:
        norm = _norm(index, naming, layer.name) if layer.part == "denoiser" and layer.measured else None
        layers.append(layer._replace(ratio=layer.norm / norm if norm else None))
    if not any(layer.ratio is not None for layer in layers):
        return None
    return health._replace(layers=tuple(layers))


class Stored(NamedTuple):
    """One of the base's weights: file, start of the file's data, place, and what its numbers are to be multiplied by
    (fp8 checkpoints of ComfyUI and others keep a scale beside each weight)."""

    file: Path
    start: int
    info: TensorInfo
    scale: float


_SCALES = (".scale_weight", ".weight_scale")
_PREFIXES = ("model.diffusion_model.", "diffusion_model.")


def _tensors(base: Path) -> dict[str, Stored]:
    """Weights of the base's denoiser by layer."""
    folder = next((base / n for n in ("transformer", "unet") if (base / n).is_dir()), base)
    files = sorted(folder.glob("*.safetensors")) if folder.is_dir() else [folder]
    found = {}
    for file in files:
        header = read_header(file)
        for name, info in header.tensors.items():
            if not name.endswith(".weight") or info.dtype not in FLOATS:
                continue
            layer = name.removesuffix(".weight")
            scale = next((header.tensors[layer + s] for s in _SCALES if layer + s in header.tensors), None)
            factor = 1.0 if scale is None else _scalar(file, header.start, scale)
            if factor is not None:
                found[_plain(layer)] = Stored(file, header.start, info, factor)
    return found


def _plain(layer: str) -> str:
    return next((layer[len(prefix) :] for prefix in _PREFIXES if layer.startswith(prefix)), layer)


def _scalar(file: Path, start: int, info: TensorInfo) -> float | None:
    """The one number of a scale; None for a scale by rows or blocks, which no sample of the weights can use."""
    if math.prod(info.shape) != 1 or info.dtype not in FLOATS:
        return None
    with file.open("rb") as raw:
        raw.seek(start + info.offsets[0])
        return decode_scalar(info.dtype, raw.read(info.offsets[1] - info.offsets[0]))


def _norm(index: dict[str, Stored], naming: str, layer: str) -> float | None:
    place = names.find(naming, layer)
    if place is None:
        return None
    if place.dotted in index:
        return _sampled(index[place.dotted], 0, 1)
    if place.whole and place.naming == "native":
        parts = [_sampled(index[p], 0, 1) for p in place.pair.parts if p in index]
        return math.sqrt(sum(p**2 for p in parts)) if len(parts) == len(place.pair.parts) else None
    native = index.get(place.pair.native)
    equal = len(place.pair.parts) in (1, 2, 3)
    return _sampled(native, place.row, len(place.pair.parts)) if native and equal else None


def _sampled(weight: Stored, part: int, parts: int) -> float:
    """Norm of one of `parts` equal stretches of rows, from a sample."""
    file, start, info, scale = weight
    width = arrays.numpy_type(info.dtype).itemsize
    count = (info.offsets[1] - info.offsets[0]) // width // parts
    begin = start + info.offsets[0] + part * count * width
    length = min(count, max(1, SAMPLE // STRETCHES))
    spots = np.unique(np.linspace(0, count - length, STRETCHES).astype(np.int64)) if count > length else [0]
    squares, seen = 0.0, 0
    with file.open("rb") as raw:
        for spot in spots:
            raw.seek(begin + int(spot) * width)
            numbers = arrays.widen(np.frombuffer(raw.read(length * width), arrays.numpy_type(info.dtype)))
            squares += float((numbers.astype(np.float64) ** 2).sum())
            seen += numbers.size
    return abs(scale) * math.sqrt(squares / seen * count) if seen else 0.0
