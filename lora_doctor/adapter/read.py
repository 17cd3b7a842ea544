"""A LoRA file's header as layers: what each changes, in which way, at which rank. No weights are read, bar `alpha`."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

import msgspec

from lora_doctor.adapter.keys import DENOISER, Key, of_language_model
from lora_doctor.adapter.outline import Outline, TwiceError, outline_of
from lora_doctor.adapter.shapes import measure
from lora_doctor.models.header import Header, HeaderError, TensorInfo, read_header
from lora_doctor.source.document import SourceError

# The largest real headers (SDXL LoCon with tag statistics) have 5 MB; parsing 100 MB of JSON would take 1 GB of memory.
MAX_HEADER_BYTES = 25_000_000
FLOATS = frozenset({"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ"})
MAGNITUDES = frozenset({"dora_scale", "magnitude"})


class AdapterError(SourceError):
    """A file that can't be used as a LoRA; the sentence says why."""


class Tensor(NamedTuple):
    """A tensor under its name in the file, and that name taken apart."""

    name: str
    key: Key
    info: TensorInfo


class Layer(msgspec.Struct, frozen=True, eq=False, gc=False):
    """One layer of the model and what the adapter puts on it.

    flat: its name as kohya writes it. kind: lora, loha, lokr, oft, glora, diff, norm, ia3, or "" where its tensors do
    not make a pair. rank: of its factors, None for methods and full matrices without one. kernel: of a convolution's
    down matrix. problem: why it can't work. roles, keys, infos: of its tensors, in parallel.

    A Struct, because a file has a thousand: it is made in half the time.
    """

    part: str
    prefix: str
    name: str
    flat: str
    kind: str
    inputs: int | None
    outputs: int | None
    rank: int | None
    kernel: tuple[int, ...]
    problem: str
    alpha: float | None
    roles: tuple[str, ...]
    keys: tuple[Key, ...]
    infos: tuple[TensorInfo, ...]

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Its tensors by role; made when asked for, as a file has thousands and most questions are about none."""
        return {role: Tensor(key.name, key, info) for role, key, info in zip(self.roles, self.keys, self.infos)}

    @property
    def dora(self) -> bool:
        """Whether the update is split into direction and magnitude."""
        return not MAGNITUDES.isdisjoint(self.roles)

    @property
    def denoiser(self) -> bool:
        """Whether it belongs to the transformer or UNet."""
        return self.part == DENOISER


class AdapterFile(NamedTuple):
    """A LoRA file: header, layers in file order, what its names say.

    denoiser: the layers of the transformer or UNet.
    """

    path: Path
    header: Header
    layers: tuple[Layer, ...]
    denoiser: tuple[Layer, ...]
    outline: Outline

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
    if os.path.isdir(where):
        raise AdapterError("is a folder: name the .safetensors file in it")
    try:
        header = read_header(where, MAX_HEADER_BYTES)
    except HeaderError as problem:
        raise AdapterError(str(problem)) from problem
    if header.kind != "file":
        raise AdapterError("lists the parts of a model: it is no LoRA file")
    _check_layout(header)
    try:
        outline = outline_of(tuple(header.tensors))
    except TwiceError as names:
        raise AdapterError(f"names one tensor twice: {names} are the same factor") from names
    if outline.roles <= {"alpha"}:
        raise AdapterError(_no_adapter(header))
    _check_names(outline, header)
    layers = _layers(outline, header.tensors, where, header.start)
    denoiser = tuple([layer for layer in layers if layer.part == DENOISER])
    return AdapterFile(where, header, layers, denoiser, outline)


def _check_layout(header: Header) -> None:
    """The reference reader refuses holes, overlaps and a tail ("incomplete metadata, file not fully covered")."""
    places = [info.offsets for info in header.tensors.values()]
    end = _end(places)
    if end is None:
        end = _end(sorted(places))
    if end is None:
        raise AdapterError(f"is damaged: {_disorder(header)}")
    rest = header.data_bytes - end
    if rest:
        raise AdapterError(f"is damaged: {rest} bytes at its end belong to no tensor; loaders refuse it, get it again")


def _end(places: list[tuple[int, int]]) -> int | None:
    """Where the last ends, if each begins where the one before ends."""
    begins, ends = zip(*places) if places else ((), ())
    return (0, *ends)[-1] if begins == (0, *ends)[: len(begins)] else None


def _disorder(header: Header) -> str:
    """The first hole or overlap between tensors."""
    begin, before = 0, ""
    for (first, last), name in sorted([(info.offsets, name) for name, info in header.tensors.items()]):
        if first < begin:
            return f"the tensors {before[:80]!r} and {name[:80]!r} overlap"
        if first > begin:
            return f"{first - begin} bytes before {name[:80]!r} belong to no tensor"
        begin, before = last, name
    raise AssertionError("every tensor follows another")


def layers_of(tensors: dict[str, TensorInfo]) -> tuple[Layer, ...]:
    """The layers that tensors of these names and shapes make up, alphas unread."""
    return _layers(outline_of(tuple(tensors)), tensors)


def _layers(
    outline: Outline, named: dict[str, TensorInfo], path: Path | None = None, start: int = 0
) -> tuple[Layer, ...]:
    if not outline.groups:
        return ()
    infos = list(named.values())
    own = list(outline.own(infos))
    columns = outline.columns
    measured = map(measure, columns.roles, outline.own([info.shape for info in infos]))
    alphas = _alphas(path, start, outline, own) if path and "alpha" in outline.roles else repeat(None)
    return tuple(map(Layer, *columns[:4], *zip(*measured), alphas, columns.roles, columns.keys, own))


def _check_names(outline: Outline, header: Header) -> None:
    if {info.dtype for info in header.tensors.values()} - FLOATS:
        keys = {key.name: key for group in outline.groups for key in group.keys}
        for key, dtype in [(keys[name], info.dtype) for name, info in header.tensors.items() if name in keys]:
            if dtype not in FLOATS and (key.role != "alpha" or dtype not in _CODES):
                raise AdapterError(f"stores {key.name!r} as {dtype}: adapters are stored in floating point")
    sample = list(header.tensors)[:50]
    if sum(map(of_language_model, sample)) * 2 > len(sample):
        raise AdapterError("is the LoRA of a language model, not of an image model")


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


def _alphas(path: Path, start: int, outline: Outline, own: list[tuple[TensorInfo, ...]]) -> Iterable[float | None]:
    """The one number in each layer's `alpha` tensor; None where there is none, or it holds several."""
    at = {roles: roles.index("alpha") for roles in set(outline.columns.roles) if "alpha" in roles}
    alphas = [infos[at[roles]] if roles in at else None for roles, infos in zip(outline.columns.roles, own)]
    single = [info if info and info.shape in _ONE_NUMBER else None for info in alphas]
    stored = [info for info in single if info]
    lengths = [info.offsets[1] - info.offsets[0] for info in stored]
    with path.open("rb", buffering=0) as file:  # a few bytes here and there
        found = list(map(_reader(file), lengths, [start + info.offsets[0] for info in stored]))
    if list(map(len, found)) != lengths:
        raise AdapterError("changed while it was read: it is shorter now")
    numbers = map(decode_scalar, [info.dtype for info in stored], found)
    return list(numbers) if len(stored) == len(own) else [next(numbers) if info else None for info in single]


_ONE_NUMBER = ((), (1,))  # shapes; of at most 8 bytes, as all formats of numbers that are let through


def _reader(file: io.FileIO) -> Callable[[int, int], bytes]:
    """How to read so many bytes at a place: in one call where the system has it (not Windows)."""
    if hasattr(os, "pread"):
        return partial(os.pread, file.fileno())

    def read(count: int, place: int) -> bytes:
        file.seek(place)
        return file.read(count)

    return read


_CODES = {"F16": "<e", "F32": "<f", "F64": "<d", "I64": "<q", "I32": "<i", "I16": "<h", "I8": "<b", "U8": "<B"}


@lru_cache(maxsize=1024)
def decode_scalar(dtype: str, raw: bytes) -> float | None:
    """A number from its bytes; None for a format without a decoder."""
    if dtype == "BF16":
        return float(struct.unpack("<f", b"\0\0" + raw)[0])
    code = _CODES.get(dtype)
    return float(struct.unpack(code, raw)[0]) if code else None
