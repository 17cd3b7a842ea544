"""Write safetensors files: beside the target, then renamed, so that no half file is ever seen. No numpy needed."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from lora_doctor.adapter.read import AdapterError

BYTES = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
    "F8_E4M3FNUZ": 1,
    "F8_E5M2FNUZ": 1,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U8": 1,
}


class Entry(NamedTuple):
    """One tensor to write; `data` gives its bytes when its turn comes, so that only one lies in memory."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: Callable[[], bytes | memoryview]

    @property
    def size(self) -> int:
        """Length in bytes."""
        return math.prod(self.shape) * BYTES[self.dtype]


def write_file(path: Path, entries: Iterable[Entry], metadata: dict[str, str], *, overwrite: bool = False) -> None:
    """Write a new file; an existing one only with `overwrite`.

    Raises:
        AdapterError: the file exists, or the folder can't be written.
    """
    ordered = sorted(entries, key=lambda e: (-BYTES[e.dtype], e.name))  # widest first keeps every tensor aligned
    header = _header(ordered, metadata)

    def fill(file: IO[bytes]) -> None:
        file.write(header)
        for entry in ordered:
            data = entry.data()
            assert len(data) == entry.size, (entry.name, len(data), entry.size)
            file.write(data)

    replace(path, fill, overwrite=overwrite)


def _header(entries: Sequence[Entry], metadata: dict[str, str]) -> bytes:
    table: dict[str, object] = {"__metadata__": metadata} if metadata else {}
    offset = 0
    for entry in entries:
        table[entry.name] = {
            "dtype": entry.dtype,
            "shape": list(entry.shape),
            "data_offsets": [offset, offset + entry.size],
        }
        offset += entry.size
    text = json.dumps(table, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def replace(path: Path, fill: Callable[[IO[bytes]], None], *, overwrite: bool = False) -> None:
    """Let `fill` write a file beside `path`, then give it its name.

    Raises:
        AdapterError: the file exists already, or can't be written.
    """
    if path.exists() and not overwrite:
        raise AdapterError(f"{path} exists already: name another file, or pass --overwrite")
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                fill(file)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as problem:
        raise AdapterError(f"{path} cannot be written: {problem.strerror or problem}") from problem


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
