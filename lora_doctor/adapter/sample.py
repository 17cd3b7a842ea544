"""Small LoRA files made to order, with the real names and shapes of a model: for rule examples, fixtures and tests."""

from __future__ import annotations

import functools
import random
import re
import struct
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from lora_doctor.adapter.keys import flatten
from lora_doctor.adapter.read import Layer
from lora_doctor.adapter.write import BYTES, Entry, write_file
from lora_doctor.models.modules import Module, namings, table

# format: (prefix, naming, down suffix, up suffix); "" as naming is the model's other one, "native" or "sgm"
FORMATS = {
    "diffusers": ("transformer.", "diffusers", ".lora_A.weight", ".lora_B.weight"),
    "unet": ("unet.", "diffusers", ".lora_A.weight", ".lora_B.weight"),
    "old-diffusers": ("unet.", "diffusers", ".lora.down.weight", ".lora.up.weight"),
    "bare": ("", "diffusers", ".lora_A.weight", ".lora_B.weight"),
    "default": ("", "diffusers", ".lora_A.default.weight", ".lora_B.default.weight"),
    "lycoris": ("lycoris_", "diffusers", ".lora_down.weight", ".lora_up.weight"),
    "comfyui": ("diffusion_model.", "", ".lora_A.weight", ".lora_B.weight"),
    "checkpoint": ("model.diffusion_model.", "", ".lora_A.weight", ".lora_B.weight"),
    "peft": ("base_model.model.", "", ".lora_A.weight", ".lora_B.weight"),
    "kohya": ("lora_unet_", "", ".lora_down.weight", ".lora_up.weight"),
    "kohya-diffusers": ("lora_unet_", "diffusers", ".lora_down.weight", ".lora_up.weight"),
}


class Sample(NamedTuple):
    """What a file shall hold.

    targets: a regular expression over dotted layer names. alpha: written as tensors; put it into `metadata` where the
    format keeps it there. dead, nan: layers (by regular expression) whose up matrix is zero or holds a NaN. drop:
    tensors to leave out. extra: further tensors, by name with their shapes. seed: of the random weights. low: the rank
    that the up matrices really have.
    """

    model: str
    format: str = "diffusers"
    kind: str = "lora"
    targets: str = ""
    rank: int = 2
    alpha: float | None = None
    dora: bool = False
    dtype: str = "BF16"
    metadata: Mapping[str, str] = MappingProxyType({})
    dead: str | None = None
    nan: str | None = None
    drop: str | None = None
    extra: Mapping[str, list[int]] = MappingProxyType({})
    seed: int = 0
    low: int | None = None


def parse_sample(text: str) -> Sample:
    """A sample from the TOML of a rule's ```` ```adapter ```` fence."""
    values: dict[str, Any] = tomllib.loads(text)
    values.pop("base", None)
    return Sample(**values)


def write_sample(path: Path, sample: Sample) -> Path:
    """Write the file; returns its path."""
    write_file(path, entries_of(sample), dict(sample.metadata), overwrite=True)
    return path


def write_base(path: Path, layers: Iterable[Layer]) -> Path:
    """Write weights for the model that has these layers; returns the path."""
    entries = [
        _tensor(f"{layer.name}.weight", (layer.outputs or 1, layer.inputs or 1, *layer.kernel), "BF16", number)
        for number, layer in enumerate(layers)
    ]
    write_file(path, entries, {}, overwrite=True)
    return path


def entries_of(sample: Sample) -> list[Entry]:
    """The file's tensors; their data is made when it is asked for."""
    entries = [e for module in modules(sample) for e in _entries(module, sample)]
    entries += [_tensor(name, tuple(shape), sample.dtype, sample.seed) for name, shape in sample.extra.items()]
    if sample.drop is not None:
        entries = [e for e in entries if not re.search(sample.drop, e.name)]
    return entries


def modules(sample: Sample) -> list[Module]:
    """The layers of the model that the sample's targets match."""
    naming = FORMATS[sample.format][1] or next(n for n in namings(sample.model) if n != "diffusers")
    return [m for m in table(sample.model, naming) if re.search(sample.targets, m.name)]


def _entries(module: Module, sample: Sample) -> list[Entry]:
    prefix, _, down, up = FORMATS[sample.format]
    stem = prefix + (flatten(module.name) if prefix.endswith("_") else module.name)
    shapes = dict(_shapes(module, sample, down, up))
    seed = sample.seed * 1_000_003 + sum(module.name.encode())
    made = [_tensor(stem + suffix, shape, sample.dtype, seed + i) for i, (suffix, shape) in enumerate(shapes.items())]
    if sample.dead is not None and re.search(sample.dead, module.name):
        made[1] = made[1]._replace(data=functools.partial(bytes, made[1].size))
    if sample.low is not None:
        made[1] = made[1]._replace(data=functools.partial(_thin, made[1], sample.low))
    if sample.nan is not None and re.search(sample.nan, module.name):
        made[1] = made[1]._replace(data=functools.partial(_spoilt, made[1]))
    if sample.alpha is not None:
        made.append(_number(f"{stem}.alpha", sample.alpha, sample.dtype))
    return made


def _shapes(module: Module, sample: Sample, down: str, up: str) -> list[tuple[str, tuple[int, ...]]]:
    inputs, outputs, rank = module.inputs, module.outputs, sample.rank
    kernel: tuple[int, ...] = module.kernel or ()
    if sample.kind == "lora":
        found = [(down, (rank, inputs, *kernel)), (up, (outputs, rank, *(1 for _ in kernel)))]
    elif sample.kind == "loha":
        flat = inputs * (kernel[0] * kernel[1] if kernel else 1)
        found = [(f".hada_w{i}_{s}", (outputs, rank) if s == "a" else (rank, flat)) for i in (1, 2) for s in "ab"]
    else:
        a, c = _factor(outputs), _factor(inputs)
        found = [(".lokr_w1", (a, c)), (".lokr_w2", (outputs // a, inputs // c, *kernel))]
    if sample.dora:
        found.append((".dora_scale", (outputs, 1)))
    return found


def _factor(size: int) -> int:
    """The divisor next below the square root, at most 16: how LoKr splits a side."""
    return max(d for d in range(1, 17) if size % d == 0)


def _tensor(name: str, shape: tuple[int, ...], dtype: str, seed: int) -> Entry:
    empty = Entry(name, dtype, shape, bytes)
    return empty._replace(data=functools.partial(_noise, empty.size // BYTES[dtype], dtype, seed))


# High bytes of small numbers of either sign: 0.008 to 0.12 in bf16 and fp32.
_HIGH = bytes((0x3C, 0xBC, 0x3D, 0xBD)[i % 4] for i in range(256))


def _noise(count: int, dtype: str, seed: int) -> bytes:
    """Reproducible small numbers, of the same value in bf16 and fp32."""
    source = random.Random(seed)
    width = BYTES[dtype]
    data = bytearray(width * count)
    if width > 1:
        data[width - 2 :: width] = source.randbytes(count)
    data[width - 1 :: width] = source.randbytes(count).translate(_HIGH)
    return bytes(data)


def _thin(entry: Entry, rank: int) -> bytes:
    """The same matrix with all columns but the first zeroed."""
    row, keep = entry.shape[1] * BYTES[entry.dtype], rank * BYTES[entry.dtype]
    data = entry.data()
    return b"".join(bytes(data[i : i + keep]) + bytes(row - keep) for i in range(0, len(data), row))


def _spoilt(entry: Entry) -> bytes:
    data = bytearray(entry.data())
    data[: BYTES[entry.dtype]] = b"\xff" * BYTES[entry.dtype]
    return bytes(data)


def _number(name: str, value: float, dtype: str) -> Entry:
    packed = struct.pack("<f", value)
    data = {"F32": packed, "BF16": packed[2:], "F16": struct.pack("<e", value) if dtype == "F16" else b""}.get(
        dtype, packed
    )
    return Entry(name, dtype if dtype in ("F32", "BF16", "F16") else "F32", (), functools.partial(bytes, data))
