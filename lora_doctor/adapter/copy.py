"""The same weights under another header; no numpy needed."""

from __future__ import annotations

import functools
from pathlib import Path

from lora_doctor.adapter.read import AdapterError, AdapterFile
from lora_doctor.adapter.write import BYTES, Entry, write_file
from lora_doctor.models.header import TensorInfo


def copy_with(file: AdapterFile, output: Path, metadata: dict[str, str], *, overwrite: bool = False) -> None:
    """Write the file's tensors, bit by bit, with other metadata.

    Raises:
        AdapterError: the output is the source, exists, or can't be written.
    """
    if output.exists() and output.samefile(file.path):
        raise AdapterError(f"{output} is the source: it is never written to, name another output")
    unknown = next((i.dtype for i in file.header.tensors.values() if i.dtype not in BYTES), None)
    if unknown:
        raise AdapterError(f"has tensors in {unknown}, which lora-doctor does not write")
    entries = [
        Entry(name, info.dtype, info.shape, functools.partial(_bytes, file, info))
        for name, info in file.header.tensors.items()
    ]
    write_file(output, entries, metadata, overwrite=overwrite)


def _bytes(file: AdapterFile, info: TensorInfo) -> bytes:
    begin, end = info.offsets
    with file.path.open("rb") as source:
        source.seek(file.header.start + begin)
        return source.read(end - begin)
