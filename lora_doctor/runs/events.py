"""TensorBoard event files: the scalars in them, without TensorBoard and the eight packages that come with it.

A file is a row of records (length, checksum of the length, data, checksum of the data: TensorFlow's record_writer.h),
each an `Event` in protobuf's wire format (tensorboard/compat/proto/event.proto, summary.proto, tensor.proto). Only
the fields of a scalar are looked at; pictures, histograms and texts are passed over. A trainer that is still writing,
or that was killed, leaves half a record: reading ends there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import IO, NamedTuple

from lora_doctor.runs.facts import Curve

MOST = 64 * 1024 * 1024  # bytes of one record that are held; longer ones are pictures
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
Field = tuple[int, int, bytes]  # number, wire type, content (of a varint: 8 bytes, little endian)


class Scalar(NamedTuple):
    """One logged number; time: seconds since 1970."""

    tag: str
    step: int
    value: float
    time: float


def read_events(path: Path) -> list[Curve]:
    """The scalars of one file, a curve for each tag in the order of the file. A file that is none has none.

    Raises:
        OSError: it can't be read.
    """
    curves: dict[str, list[Scalar]] = {}
    with path.open("rb") as file:
        for record in _records(file):
            for scalar in _scalars(record):
                curves.setdefault(scalar.tag, []).append(scalar)
    return [
        Curve(tag, tuple(s.step for s in found), tuple(s.value for s in found), tuple(s.time for s in found), path.name)
        for tag, found in curves.items()
    ]


def _records(file: IO[bytes]) -> Iterator[bytes]:
    """The data of each whole record; ends at the first that is damaged or not all there."""
    while len(head := file.read(12)) == 12:
        length, check = struct.unpack("<QI", head)
        if masked_crc(head[:8]) != check:
            return
        if length > MOST:
            file.seek(length + 4, 1)
            continue
        data = file.read(length)
        if len(data) < length or len(file.read(4)) < 4:
            return
        yield data


@cache
def _table() -> tuple[int, ...]:
    found = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        found.append(value)
    return tuple(found)


def masked_crc(data: bytes) -> int:
    """CRC-32C, rotated and shifted as TensorFlow stores it."""
    crc, table = 0xFFFFFFFF, _table()
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 255]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _scalars(record: bytes) -> Iterator[Scalar]:
    """The scalars of one Event; a record that breaks off holds none."""
    time, step = 0.0, 0
    summaries: list[bytes] = []
    try:
        for number, kind, content in _fields(record):
            if (number, kind) == (1, FIXED64):
                time = struct.unpack("<d", content)[0]
            elif (number, kind) == (2, VARINT):
                step = struct.unpack("<q", content)[0]
            elif (number, kind) == (5, BYTES):
                summaries.append(content)
        values = [content for summary in summaries for n, k, content in _fields(summary) if (n, k) == (1, BYTES)]
        named = [pair for value in values if (pair := _value(value)) is not None]
    except (ValueError, struct.error):
        return
    yield from (Scalar(tag, step, number, time) for tag, number in named)


def _value(message: bytes) -> tuple[str, float] | None:
    """Tag and number of a Summary.Value; None where it is no scalar."""
    tag, number = "", None
    for field, kind, content in _fields(message):
        if (field, kind) == (1, BYTES):
            tag = content.decode("utf-8", "replace")
        elif (field, kind) == (2, FIXED32):
            number = struct.unpack("<f", content)[0]
        elif (field, kind) == (8, BYTES):
            number = _tensor(content) if number is None else number
    return (tag, number) if tag and number is not None else None


_PACKED = {1: "f", 2: "d"}  # TensorProto.dtype: float, double


def _tensor(message: bytes) -> float | None:
    """The number of a TensorProto that holds one; None for anything else."""
    code, content, values = "", b"", b""
    for field, kind, part in _fields(message):
        if (field, kind) == (1, VARINT):
            code = _PACKED.get(int.from_bytes(part, "little"), "")
        elif (field, kind) == (2, BYTES) and any(_dimensions(part)):
            return None
        elif (field, kind) == (4, BYTES):
            content = part
        elif field in (5, 6):
            values = part
    data = content or values
    return struct.unpack(f"<{code}", data)[0] if code and len(data) == struct.calcsize(code) else None


def _dimensions(shape: bytes) -> Iterator[bool]:
    """Whether each dimension of a TensorShapeProto is longer than one."""
    for _, kind, dimension in _fields(shape):
        if kind == BYTES:
            yield any(number == 1 and int.from_bytes(size, "little") > 1 for number, k, size in _fields(dimension))


def _fields(message: bytes) -> Iterator[Field]:
    """The fields of one message.

    Raises:
        ValueError: it breaks off, or has a wire type that protobuf gave up.
    """
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, at = _varint(message, at)
            yield number, kind, (value & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "little")
            continue
        if kind == BYTES:
            size, at = _varint(message, at)
        elif kind in (FIXED32, FIXED64):
            size = 4 if kind == FIXED32 else 8
        else:
            raise ValueError(f"wire type {kind}")
        if at + size > len(message):
            raise ValueError("breaks off")
        yield number, kind, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift < 70:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    raise ValueError("breaks off")
