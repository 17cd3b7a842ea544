"""A LoRA file's header as layers: what each changes, in which way, at which rank. No weights are read, bar `alpha`."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from lora_doctor.adapter.keys import DENOISER, Key, of_language_model, parse
from lora_doctor.models.header import Header, HeaderError, TensorInfo, read_header
from lora_doctor.source.document import SourceError

# The largest real headers (SDXL LoCon with tag statistics) have 5 MB; parsing 100 MB of JSON would take 1 GB of memory.
MAX_HEADER_BYTES = 25_000_000
FLOATS = frozenset({"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ"})
WIDTHS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}


class AdapterError(SourceError):
    """A file that can't be used as a LoRA; the sentence says why."""


class Tensor(NamedTuple):
    """A tensor under its name in the file, and that name taken apart."""

    name: str
    key: Key
    info: TensorInfo


class Layer(NamedTuple):
    """One layer of the model and what the adapter puts on it.

    kind: lora, loha, lokr, oft, glora, diff, norm, ia3, or "" where its tensors don't make a pair. rank: of its
    factors, None for methods and full matrices without one. kernel: of a convolution's down matrix. problem: why it
    can't work.
    """

    part: str
    prefix: str
    name: str
    kind: str
    inputs: int | None
    outputs: int | None
    rank: int | None
    kernel: tuple[int, ...]
    tensors: dict[str, Tensor]
    alpha: float | None
    problem: str

    @property
    def dora(self) -> bool:
        """Whether the update is split into direction and magnitude."""
        return "dora_scale" in self.tensors or "magnitude" in self.tensors

    @property
    def denoiser(self) -> bool:
        """Whether it belongs to the transformer or UNet."""
        return self.part == DENOISER


class AdapterFile(NamedTuple):
    """A LoRA file: header, layers in file order, names of tensors that belong to no adapter; where its data starts.

    denoiser: the layers of the transformer or UNet.
    """

    path: Path
    header: Header
    layers: tuple[Layer, ...]
    denoiser: tuple[Layer, ...]
    strangers: tuple[str, ...]
    data_start: int

    @property
    def metadata(self) -> dict[str, str]:
        """The file's own text entries."""
        return self.header.metadata


def open_adapter(path: Path | str) -> AdapterFile:
    """Read a LoRA file's header.

    Raises:
        AdapterError: it can't be read, is damaged, or is no LoRA of an image model.
    """
    where = Path(path)
    start = _start(where)
    try:
        header = read_header(where)
    except HeaderError as problem:
        raise AdapterError(str(problem)) from problem
    _check_layout(where, header, start)
    grouped, strangers = _group(header.tensors)
    if not grouped:
        raise AdapterError(_no_adapter(header))
    sample = list(header.tensors)[:50]
    if sum(map(of_language_model, sample)) * 2 > len(sample):
        raise AdapterError("is the LoRA of a language model, not of an image model")
    alphas = _alphas(where, start, grouped.values())
    layers = tuple([_layer(key, tensors, alphas) for key, tensors in grouped.items()])
    denoiser = tuple([layer for layer in layers if layer.denoiser])
    return AdapterFile(where, header, layers, denoiser, tuple(strangers), start)


def _start(path: Path) -> int:
    """Where the data begins; also refuses what `read_header` would spend much memory on."""
    try:
        if path.is_dir():
            raise AdapterError("is a folder: name the .safetensors file in it")
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if MAX_HEADER_BYTES < length <= path.stat().st_size - 8:
                raise AdapterError(f"is no LoRA file: its header has {length // 1_000_000} MB, real ones under 5")
    except (OSError, ValueError) as problem:
        raise AdapterError(f"cannot be read: {getattr(problem, 'strerror', None) or problem}") from problem
    return 8 + length


def _check_layout(path: Path, header: Header, start: int) -> None:
    """The reference reader refuses holes, overlaps and a tail ("incomplete metadata, file not fully covered")."""
    begin, before = 0, ""
    for (first, last), name in sorted([(info.offsets, name) for name, info in header.tensors.items()]):
        if first < begin:
            raise AdapterError(f"is damaged: the tensors {before[:80]!r} and {name[:80]!r} overlap")
        if first > begin:
            raise AdapterError(f"is damaged: {first - begin} bytes before {name[:80]!r} belong to no tensor")
        begin, before = last, name
    rest = path.stat().st_size - start - begin
    if rest:
        raise AdapterError(f"is damaged: {rest} bytes at its end belong to no tensor; loaders refuse it, get it again")


def layers_of(tensors: dict[str, TensorInfo]) -> tuple[Layer, ...]:
    """The layers that tensors of these names and shapes make up, alphas unread."""
    return tuple(_layer(key, group, {}) for key, group in _group(tensors)[0].items())


def _group(named: dict[str, TensorInfo]) -> tuple[dict[tuple[str, str, str], dict[str, Tensor]], list[str]]:
    grouped: dict[tuple[str, str, str], dict[str, Tensor]] = {}
    strangers = []
    keys = list(map(parse, named))
    for key, tensor in zip(keys, map(Tensor._make, zip(named, keys, named.values()))):
        if key is None:
            strangers.append(tensor.name)
            continue
        part, prefix, layer, role, _, _ = key
        tensors = grouped.setdefault((part, prefix, layer), {})
        if role in tensors:
            raise AdapterError(
                f"names one tensor twice: {tensors[role].name!r} and {tensor.name!r} are the same factor"
            )
        if tensor.info.dtype not in FLOATS and role != "alpha":
            raise AdapterError(f"stores {tensor.name!r} as {tensor.info.dtype}: adapters are stored in floating point")
        tensors[role] = tensor
    if all(tensors.keys() <= {"alpha"} for tensors in grouped.values()):
        return {}, strangers
    return grouped, strangers


def _no_adapter(header: Header) -> str:
    from lora_doctor.models.identify import identify_header

    found = identify_header(header)
    if found.role in ("transformer", "checkpoint") and found.family:
        size = f" {found.size}" if found.size else ""
        return f"is no LoRA but a whole model ({found.family}{size}: {found.evidence})"
    if found.role != "unknown":
        return f"is no LoRA but a {found.role.replace('_', ' ')} ({found.evidence})"
    if not header.tensors:
        return "is no LoRA: it holds no tensors"
    return f"is no LoRA: none of its {len(header.tensors)} tensors has a name that adapters use"


def _layer(key: tuple[str, str, str], tensors: dict[str, Tensor], alphas: dict[str, float | None]) -> Layer:
    part, prefix, name = key
    alpha = alphas.get(tensors["alpha"].name) if "alpha" in tensors else None
    kind, inputs, outputs, rank, kernel, problem = measure(tuple([(r, t.info.shape) for r, t in tensors.items()]))
    return Layer(part, prefix, name, kind, inputs, outputs, rank, kernel, tensors, alpha, problem)


class Measured(NamedTuple):
    """What the shapes of one layer's tensors amount to."""

    kind: str
    inputs: int | None = None
    outputs: int | None = None
    rank: int | None = None
    kernel: tuple[int, ...] = ()
    problem: str = ""


@lru_cache(maxsize=4096)
def measure(roles: tuple[tuple[str, tuple[int, ...]], ...]) -> Measured:
    """Kind, size and rank of a layer from its tensors' roles and shapes."""
    shapes = dict(roles)
    empty = [role for role, shape in shapes.items() if 0 in shape]
    if empty:
        return Measured(
            "", problem=f"its {_WORDS.get(empty[0], empty[0])} has no elements (a sharded save that was never gathered)"
        )
    if "down" in shapes or "up" in shapes:
        return _lora(shapes)
    if any(role.startswith("hada_") for role in shapes):
        return _loha(shapes)
    if any(role.startswith("lokr_") for role in shapes):
        return _lokr(shapes)
    for role, kind in (
        ("oft", "oft"),
        ("glora_a1", "glora"),
        ("diff", "diff"),
        ("norm", "norm"),
        ("ia3", "ia3"),
        ("diff_b", "diff"),
    ):
        if role in shapes:
            shape = shapes[role]
            full = kind == "diff" and len(shape) >= 2
            return Measured(
                kind, shape[1] if full else None, shape[0] if full else None, kernel=shape[2:] if full else ()
            )
    return Measured("", problem="has no weights, only " + ", ".join(_WORDS.get(r, r) for r in shapes))


_WORDS = {
    "down": "A (down) matrix",
    "up": "B (up) matrix",
    "mid": "middle matrix",
    "dora_scale": "DoRA magnitude",
    "magnitude": "DoRA magnitude",
}


def _lora(shapes: dict[str, tuple[int, ...]]) -> Measured:
    down, up = shapes.get("down"), shapes.get("up")
    if down is None or up is None:
        return Measured(
            "", problem=f"has its {_WORDS['up' if down is None else 'down']} only: the other half is missing"
        )
    mid = shapes.get("mid")
    if len(down) < 2 or len(up) < 2 or (down[0] != up[1] if mid is None else (mid[1], mid[0]) != (down[0], up[1])):
        return Measured("", problem=f"its factors do not fit each other: A is {_size(down)}, B is {_size(up)}")
    kernel = mid[2:] if mid else down[2:]
    return Measured("lora", down[1], up[0], down[0], kernel)


def _loha(shapes: dict[str, tuple[int, ...]]) -> Measured:
    names = ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")
    if any(len(shapes.get(n, ())) != 2 for n in names):
        return Measured("", problem="is a LoHa with a factor missing or misshapen")
    first, second = shapes["hada_w1_a"], shapes["hada_w1_b"]
    if "hada_t1" in shapes:
        return Measured("loha", second[1], first[1], second[0], shapes["hada_t1"][2:])
    if first[1] != second[0] or (first[0], second[1]) != (shapes["hada_w2_a"][0], shapes["hada_w2_b"][1]):
        return Measured("", problem="is a LoHa whose factors do not fit each other")
    return Measured("loha", second[1], first[0], second[0])


def _lokr(shapes: dict[str, tuple[int, ...]]) -> Measured:
    first, second = _half(shapes, "lokr_w1"), _half(shapes, "lokr_w2")
    if first is None or second is None:
        return Measured("", problem="is a LoKr with a factor missing or misshapen")
    ranks = [shapes[f"{w}_b"][0] for w in ("lokr_w1", "lokr_w2") if f"{w}_b" in shapes]
    return Measured("lokr", first[1] * second[1], first[0] * second[0], ranks[-1] if ranks else None, second[2:])


def _half(shapes: dict[str, tuple[int, ...]], name: str) -> tuple[int, ...] | None:
    """Shape of one side of the Kronecker product, whole or as a product of two."""
    whole, a, b = shapes.get(name), shapes.get(f"{name}_a"), shapes.get(f"{name}_b")
    if whole is not None:
        return whole if len(whole) >= 2 else None
    if a is None or b is None or len(a) < 2 or len(b) < 2:
        return None
    tucker = shapes.get("lokr_t2") if name == "lokr_w2" else None
    if tucker is not None:
        return (a[1], b[1], *tucker[2:])
    return (a[0], b[1], *b[2:]) if a[1] == b[0] else None


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a number"


def _alphas(path: Path, start: int, groups: Iterable[dict[str, Tensor]]) -> dict[str, float | None]:
    """The one number in each `alpha` tensor; None where one holds none or several."""
    found: dict[str, float | None] = {}
    tensors = [group["alpha"] for group in groups if "alpha" in group]
    if not tensors:
        return found
    with path.open("rb", buffering=0) as file:  # a few bytes here and there
        for name, _, (dtype, shape, (begin, end)) in tensors:
            if shape in ((), (1,)) and 0 < end - begin <= 8:
                file.seek(start + begin)
                found[name] = decode_scalar(dtype, file.read(end - begin))
            else:
                found[name] = None
    return found


_CODES = {"F16": "<e", "F32": "<f", "F64": "<d", "I64": "<q", "I32": "<i", "I16": "<h", "I8": "<b", "U8": "<B"}


@lru_cache(maxsize=1024)
def decode_scalar(dtype: str, raw: bytes) -> float | None:
    """A number from its bytes; None for a format without a decoder."""
    if dtype == "BF16":
        return float(struct.unpack("<f", b"\0\0" + raw)[0])
    code = _CODES.get(dtype)
    return float(struct.unpack(code, raw)[0]) if code else None
