"""Read what model files say about themselves: the header of safetensors files, shard indexes, config files.

No tensor data is read and nothing is unpickled. A safetensors file is 8 bytes (little-endian length of the header),
the header (JSON), then the data; see https://github.com/huggingface/safetensors#format.
"""

from __future__ import annotations

import functools
import json
import math
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

# The reference reader's own limit (safetensors src/tensor.rs, MAX_HEADER_SIZE).
MAX_HEADER_BYTES = 100_000_000
MAX_CONFIG_BYTES = 10_000_000
_LARGEST = 2**63 - 1
_Count = Annotated[int, msgspec.Meta(ge=0, le=_LARGEST)]

# Bits per element; dtypes that are not listed are let through unchecked.
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "F64": 64, "I64": 64, "U64": 64, "C64": 64, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip

_DISGUISES = (
    (b"PK\x03\x04", "a zip archive, most likely a PyTorch pickle (.ckpt, .pt), which is never unpickled"),
    (b"\x80\x02", "a Python pickle (.ckpt, .pt), which is never unpickled"),
    (b"\x80\x03", "a Python pickle (.ckpt, .pt), which is never unpickled"),
    (b"\x80\x04", "a Python pickle (.ckpt, .pt), which is never unpickled"),
    (b"\x80\x05", "a Python pickle (.ckpt, .pt), which is never unpickled"),
    (b"GGUF", "a GGUF file"),
    (b"version ", "a Git LFS pointer: the weights were never downloaded (git lfs pull)"),
    (b"<!DOCTYP", "a web page: the download was refused or needs a login"),
    (b"<!doctyp", "a web page: the download was refused or needs a login"),
    (b"<html", "a web page: the download was refused or needs a login"),
    (b"{", "a JSON text"),
)


class HeaderError(ValueError):
    """A model file or folder that cannot be read; the message is one sentence for the user."""


class TensorInfo(msgspec.Struct, frozen=True, gc=False):
    """One tensor: safetensors dtype name, shape, and (begin, end) in bytes from the start of its file's data.

    A Struct, because a file has thousands: they come out of the parser ready and checked, in a third of the time.
    """

    dtype: str
    shape: tuple[_Count, ...]
    offsets: tuple[_Count, _Count]


class _Entry(TensorInfo, frozen=True, gc=False, rename={"offsets": "data_offsets"}):
    """As a header spells it. The entry `__metadata__` has none of these keys: what stands here instead fits nothing."""

    dtype: Literal[tuple(_BITS)] = ""  # type: ignore[valid-type]  # one string for all; others take the slow way
    shape: tuple[_Count, ...] = (-1,)
    offsets: tuple[_Count, _Count] = (1, 0)


class Header(NamedTuple):
    """What a path holds.

    kind: "file", "shards", "diffusers" (pipeline folder), "component" (folder with one config.json), "weights"
    (folder without configs). tensors: of a pipeline, those of its denoiser. configs: parsed JSON by path relative to
    the folder ("model_index.json", "transformer/config.json"). missing: files an index names that are not there.
    start, data_bytes: of a file, where its weights begin and how many bytes they have.
    """

    path: Path
    kind: str
    tensors: dict[str, TensorInfo]
    metadata: dict[str, str]
    configs: dict[str, dict[str, Any]]
    missing: tuple[str, ...] = ()
    start: int = 0
    data_bytes: int = 0


def read_header(path: Path | str, largest: int = MAX_HEADER_BYTES) -> Header:
    """Read a safetensors file, a `*.index.json`, a diffusers folder or a transformers folder.

    largest: bytes of a file's header beyond which it is refused unread.
    """
    where = Path(path)
    try:
        if where.is_dir():
            return _folder(where)
        if where.name.endswith(".index.json"):
            return _shards(where)
        return _file(where, largest)
    except HeaderError:
        raise
    except OSError as problem:
        raise HeaderError(f"{where.name} cannot be read: {problem.strerror or problem}") from problem
    except ValueError as problem:  # a null byte in the path
        raise HeaderError(f"{where.name!r} cannot be read: {problem}") from problem


def _file(path: Path, largest: int = MAX_HEADER_BYTES) -> Header:
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise HeaderError(f"{path.name} is not a regular file")
    size = status.st_size
    with path.open("rb") as file:
        start = file.read(8)
        _refuse_disguise(path, start)
        length = int.from_bytes(start, "little")
        if length > MAX_HEADER_BYTES or length > size - 8:
            raise HeaderError(
                f"{path.name} is not a safetensors file or is truncated: "
                f"its header claims {length} bytes, the file has {size}"
            )
        if length > largest:
            raise HeaderError(
                f"{path.name} has a header of {length // 1_000_000} MB: real ones have less than {largest // 1_000_000}"
            )
        raw = file.read(length)
    data_bytes = size - 8 - length
    tensors, metadata = _parse(path.name, raw, data_bytes)
    return Header(path, "file", tensors, metadata, {}, (), size - data_bytes, data_bytes)


def _refuse_disguise(path: Path, start: bytes) -> None:
    if not start:
        raise HeaderError(f"{path.name} is empty")
    for magic, what in _DISGUISES:
        # a safetensors file may begin with any of these bytes too, if its header has just that length
        if start.startswith(magic) and int.from_bytes(start.ljust(8, b"\xff"), "little") > MAX_HEADER_BYTES:
            raise HeaderError(f"{path.name} is not a safetensors file but {what}")
    if len(start) < 8:
        raise HeaderError(f"{path.name} is truncated: it has {len(start)} bytes")


def _parse(name: str, raw: bytes, data_bytes: int) -> tuple[dict[str, TensorInfo], dict[str, str]]:
    tensors, metadata = _decoded(raw) or _checked(name, raw)
    end = max([t.offsets[1] for t in tensors.values()], default=0)
    if end > data_bytes:
        raise HeaderError(f"{name} is truncated: its header promises {end} bytes of weights, the file has {data_bytes}")
    return tensors, metadata


_ENTRIES: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, _Entry])
_METADATA_FIRST = re.compile(rb'\s*\{\s*"__metadata__"\s*:\s*')


def _decoded(raw: bytes) -> tuple[dict[str, TensorInfo], dict[str, str]] | None:
    """Tensors and metadata of a header in which all is well; None where `_checked` has to look."""
    try:
        entries = _ENTRIES.decode(raw)
        metadata = _metadata(raw) if entries.pop("__metadata__", None) else {}
    except (ValueError, RecursionError):
        return None
    # a key that stands there twice is one in the dictionary
    if metadata is None or raw.count(b'"data_offsets"') != len(entries):
        return None
    kinds = {(t.dtype, t.shape, t.offsets[1] - t.offsets[0]) for t in entries.values()}
    return (entries, metadata) if all(kind[0] and _fit(*kind) for kind in kinds) else None


def _metadata(raw: bytes) -> dict[str, str] | None:
    """The text entries where they come first, as the reference writer has it; None where they don't, or are odd."""
    first = _METADATA_FIRST.match(raw)
    if not first or raw.count(b'"__metadata__"') != 1:
        return None
    value, _ = _TEXTS.raw_decode(raw.decode(), first.end())
    return value if isinstance(value, dict) and all(isinstance(each, str) for each in value.values()) else None


def _checked(name: str, raw: bytes) -> tuple[dict[str, TensorInfo], dict[str, str]]:
    """The same, one entry after the other. Raises HeaderError for the first that is wrong."""
    entries = _json(name, "header", raw, functools.partial(_once, name))
    metadata = entries.pop("__metadata__", None)
    if metadata is None:
        metadata = {}
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise HeaderError(f"{name} has a damaged header: its metadata is not text")
    return {key: _tensor(name, key, entry) for key, entry in entries.items()}, metadata


def _once(name: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose keys differ, as the format asks."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise HeaderError(f"{name} has a damaged header: it names {key[:200]!r} twice")
        found[key] = value
    return found


_TEXTS = json.JSONDecoder(object_pairs_hook=functools.partial(_once, ""))


def _json(name: str, what: str, raw: bytes, make: Callable[[Any], Any] | None = None) -> dict[str, Any]:
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=make)
        if isinstance(value, dict):
            "".join(value).encode()  # lone surrogates would only fail when printed
            return value
    except HeaderError:
        raise
    except (ValueError, RecursionError) as problem:
        raise HeaderError(f"{name} has a damaged {what}: it is not valid JSON") from problem
    raise HeaderError(f"{name} has a damaged {what}: it is not a JSON object")


@functools.lru_cache(maxsize=1024)
def _fit(dtype: str, shape: tuple[int, ...], length: int) -> bool:
    """Whether a tensor of this shape has this length; of an unknown dtype only the shape is judged."""
    if length < 0 or len(shape) > 64 or not all(map(_is_count, shape)):
        return False
    bits = _BITS.get(dtype)
    return not bits or -(-math.prod(shape) * bits // 8) == length


def _tensor(name: str, key: str, entry: Any) -> TensorInfo:
    try:
        dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        begin, end = offsets
        sane = isinstance(dtype, str) and isinstance(shape, list) and len(shape) <= 64
        sane = sane and _is_count(begin) and _is_count(end) and all(map(_is_count, shape))
    except (TypeError, KeyError, ValueError):
        sane = False
    if not sane or end < begin:
        raise HeaderError(f"{name} has a damaged header: the entry of tensor {key[:200]!r} makes no sense")
    if not _fit(dtype, tuple(shape), end - begin):
        raise HeaderError(f"{name} has a damaged header: shape and length of tensor {key[:200]!r} disagree")
    return TensorInfo(dtype, tuple(shape), (begin, end))


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _LARGEST


def _config(path: Path, label: str) -> dict[str, Any]:
    if path.stat().st_size > MAX_CONFIG_BYTES:
        raise HeaderError(f"{label} is no config file: it is larger than {MAX_CONFIG_BYTES // 1_000_000} MB")
    return _json(label, "content", path.read_bytes())


def _shards(index: Path) -> Header:
    """Union of the shards of an index that exist; the others are told in `missing`."""
    if index.stat().st_size > MAX_HEADER_BYTES:
        raise HeaderError(f"{index.name} is no shard index: it is larger than 100 MB")
    weight_map = _json(index.name, "content", index.read_bytes()).get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(v, str) for v in weight_map.values()):
        raise HeaderError(f"{index.name} is no shard index: it has no weight_map of tensor to file")
    names = sorted(set(weight_map.values()))
    outside = next((n for n in names if n in ("", ".", "..") or "/" in n or "\\" in n or "\0" in n), None)
    if outside is not None:
        raise HeaderError(f"{index.name} is damaged: it names {outside[:200]!r}, which is outside its folder")
    paths = [index.parent / n for n in names]
    tensors, metadata = _union([p for p in paths if p.is_file()])
    return Header(index, "shards", tensors, metadata, {}, tuple(p.name for p in paths if not p.is_file()))


def _union(paths: list[Path]) -> tuple[dict[str, TensorInfo], dict[str, str]]:
    tensors: dict[str, TensorInfo] = {}
    metadata: dict[str, str] = {}
    for path in paths:
        shard = _file(path)
        tensors.update(shard.tensors)
        metadata.update(shard.metadata)
    return tensors, metadata


def _folder(folder: Path) -> Header:
    if (folder / "model_index.json").is_file():
        return _pipeline(folder)
    configs = {}
    if (folder / "config.json").is_file():
        configs["config.json"] = _config(folder / "config.json", "config.json")
    weights = _weights(folder)
    if weights is None and not configs:
        raise HeaderError(f"{folder.name or folder} holds no model: no model_index.json, config.json or .safetensors")
    if weights is None:
        return Header(folder, "component", {}, {}, configs)
    return weights._replace(path=folder, kind="component" if configs else "weights", configs=configs)


def _pipeline(folder: Path) -> Header:
    configs = {"model_index.json": _config(folder / "model_index.json", "model_index.json")}
    for part in sorted(p for p in folder.iterdir() if p.is_dir()):
        for name in ("config.json", "scheduler_config.json"):
            if (part / name).is_file():
                label = f"{part.name}/{name}"
                configs[label] = _config(part / name, label)
    denoiser = next((folder / n for n in ("transformer", "unet") if (folder / n).is_dir()), None)
    weights = _weights(denoiser) if denoiser else None
    if weights is None:
        return Header(folder, "diffusers", {}, {}, configs)
    return weights._replace(path=folder, kind="diffusers", configs=configs)


def _weights(folder: Path) -> Header | None:
    """The weights of a component folder: its index, its one file, or its shards without an index."""
    for stem in ("diffusion_pytorch_model", "model"):
        for name in (f"{stem}.safetensors.index.json", f"{stem}.safetensors"):
            if (folder / name).is_file():
                return read_header(folder / name)
    files = sorted(p for p in folder.iterdir() if p.suffix == ".safetensors" and p.is_file())
    if not files:
        index = sorted(folder.glob("*.safetensors.index*.json"))
        return _shards(index[0]) if index else None
    shards = [p for p in files if "-of-" in p.name]
    if shards:
        tensors, metadata = _union(shards)
        return Header(folder, "weights", tensors, metadata, {})
    if len(files) > 1 and not (folder / "config.json").is_file():
        raise HeaderError(f"{folder.name or folder} holds {len(files)} safetensors files: name the one that is meant")
    return _file(files[0])
