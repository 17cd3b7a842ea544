"""Encoded images and captions on disk, under names that say what they were made from.

A key is a hash of everything that decides the value: the image's content, its mask's, the bucket, the VAE; the
caption, the text encoders and tokenizers, the lengths asked for. What has changed has another key, so nothing stale is
found; what is the same is found by any run. Files are written beside their place and renamed, carry a checksum, and are
made again where they are damaged.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from lora_doctor.source.document import SourceError

VERSION = 1  # of how images are fitted and values stored: another version's files are not found
Tensors = dict[str, torch.Tensor]
WHOLE = 512 * 1024**2  # bytes of a weights file up to which all of it is hashed
SAMPLES, SAMPLE = 256, 4096  # of a larger one: blocks, evenly spread, and bytes of each
WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".msgpack")
READ = (".json", ".txt", ".model", ".jinja", *WEIGHTS)  # files of a model's folder that decide what it does


def key(kind: str, **parts: object) -> str:
    """The name of a value made from these parts (numbers, texts, lists and tables of them; bytes)."""
    content = json.dumps([VERSION, kind, parts], sort_keys=True, default=_plain, ensure_ascii=True)
    return f"{kind}-{hashlib.sha256(content.encode()).hexdigest()}"


def _plain(value: object) -> str:
    if isinstance(value, (bytes, bytearray)):
        return "sha256:" + hashlib.sha256(value).hexdigest()
    return str(value)


def identity(*folders: Path) -> str:
    """What tells one model's files from another's: a hash of configs, tokenizers and weights.

    Weights up to `WHOLE` bytes are read whole. Of larger ones the size, the time of change, the beginning (the header,
    with every tensor's name and shape) and evenly spread blocks count: reading 16 GB would take longer than encoding.
    """
    whole = hashlib.sha256()
    for folder in folders:
        files = [folder] if folder.is_file() else sorted(path for path in folder.rglob("*") if path.suffix in READ)
        for path in files:
            if path.is_file():
                whole.update(f"{path.relative_to(folder).as_posix()}\0".encode("utf-8", "surrogateescape"))
                whole.update(_fingerprint(path))
    return whole.hexdigest()


def _fingerprint(path: Path) -> bytes:
    state = path.stat()
    found = hashlib.sha256(str(state.st_size).encode())
    with open(path, "rb") as file:
        if state.st_size <= WHOLE:
            while block := file.read(1 << 20):
                found.update(block)
            return found.digest()
        found.update(str(state.st_mtime_ns).encode())
        found.update(file.read(1 << 20))
        for i in range(SAMPLES):
            file.seek(state.st_size * i // SAMPLES)
            found.update(file.read(SAMPLE))
    return found.digest()


class Store:
    """A folder of values by key, shared by any number of processes."""

    def __init__(self, folder: Path) -> None:
        """Raises SourceError where the folder can't be made."""
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SourceError(f"the cache folder {folder} can't be made: {_why(error)}") from None

    def path(self, key: str) -> Path:
        """Where a value lies; some hundred folders, so that none has a hundred thousand files."""
        kind, _, digest = key.rpartition("-")
        return self.folder / kind / digest[:2] / f"{digest}.safetensors"

    def get(self, key: str) -> Tensors | None:
        """The value; None where there is none, or only a damaged file, which is removed."""
        path = self.path(key)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        with suppress(SafetensorError, ValueError, KeyError, RuntimeError):
            header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
            tensors = load(data)
            if header["__metadata__"]["crc32"] == str(_checksum(tensors)):
                return tensors
        with suppress(OSError):
            path.unlink()
        return None

    def put(self, key: str, tensors: Mapping[str, torch.Tensor]) -> None:
        """Keep a value; the last of several writers wins, and all of them write the same.

        Raises:
            SourceError: it can't be written; where the disk is full, how much is missing.
        """
        path = self.path(key)
        whole = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
        data = save(whole, {"crc32": str(_checksum(whole))})
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, data)
        except OSError as error:
            raise SourceError(self._refused(error, len(data))) from None

    def _refused(self, error: OSError, size: int) -> str:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return (
                f"the disk with the cache {self.folder} is full: free some space, or set `memory.cache_folder` to a "
                "folder on another disk; what is cached already is used again"
            )
        return f"the cache {self.folder} can't be written: {_why(error)}"

    def room(self, count: int, each: int) -> None:
        """Check that so many further values of so many bytes fit on the disk.

        Raises:
            SourceError: they don't: better now than after hours of encoding.
        """
        needed = count * (each + 4096)
        free = shutil.disk_usage(self.folder).free
        if needed > free:
            raise SourceError(
                f"the cache needs another {_size(needed)} for {count:,} files, and the disk with {self.folder} has "
                f"{_size(free)} left: free some space, set `memory.cache_folder` to a folder on another disk, or "
                "switch the cache off (`memory.cache_text`, `memory.cache_latents`)"
            )


def _replace(path: Path, data: bytes) -> None:
    """Without fsync: a file that a power cut leaves empty has no checksum and is made again."""
    handle, beside = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(beside, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(beside)
        raise


def _checksum(tensors: Mapping[str, torch.Tensor]) -> int:
    value = 0
    for name in sorted(tensors):
        value = zlib.crc32(f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)}".encode(), value)
        value = zlib.crc32(tensors[name].reshape(-1).view(torch.uint8).numpy().data, value)
    return value


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _size(count: float) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"
