"""Facts as fixed-size records: a hundred thousand images take 60 MB, and a cache row is read without parsing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np

from lora_doctor.dataset.arrays import Array
from lora_doctor.dataset.facts import ImageFacts

FLOATS = (
    "transparent", "hidden", "chroma", "black", "middle", "white", "contrast", "between", "clipped", "blur", "detail",
    "noise", "blocks", "texture",
)  # fmt: skip
KEPT = 20_000  # images whose facts stay unpacked, for the rules: 2 KB each
BLOCK = 1000  # images unpacked at once
RECORD = np.dtype(
    [
        ("error", "S96"),
        ("size", "i8"),
        ("format", "S6"),
        ("width", "i4"),
        ("height", "i4"),
        ("orientation", "u1"),
        ("mode", "S6"),
        ("bits", "u1"),
        ("frames", "i4"),
        ("profile", "S48"),
        ("quality", "i1"),  # -1: none
        *((name, "f4") for name in FLOATS),  # NaN: none
        ("bars", "i4", (4,)),
        ("digest", "V32"),
        ("pixels", "u4"),
        ("hash", "V32"),
        ("thumb", "V192"),
    ]
)


def pack(facts: ImageFacts) -> bytes:
    """One record."""
    record = np.zeros((), RECORD)
    for name in ("error", "format", "mode", "profile"):
        room = RECORD[name].itemsize
        record[name] = getattr(facts, name).encode()[:room].decode("utf-8", "ignore").encode()
    for name in ("size", "width", "height", "orientation", "bits", "frames", "pixels", "bars"):
        record[name] = getattr(facts, name)
    record["quality"] = -1 if facts.quality is None else facts.quality
    for name in FLOATS:
        value = getattr(facts, name)
        record[name] = np.nan if value is None else value
    for name in ("digest", "hash", "thumb"):
        record[name] = np.void(getattr(facts, name).ljust(RECORD[name].itemsize, b"\0"))
    return bytes(record.tobytes())


def unpack(names: Sequence[str], records: Array) -> list[ImageFacts]:
    """The facts of each record."""
    return [_facts(name, dict(zip(_FIELDS, values))) for name, values in zip(names, records.tolist())]


_FIELDS: tuple[str, ...] = RECORD.names or ()


def _facts(name: str, known: dict[str, Any]) -> ImageFacts:
    for field in FLOATS:
        if known[field] != known[field]:
            known[field] = None
    for field in ("error", "format", "mode", "profile"):
        known[field] = known[field].decode()
    known["quality"] = None if known["quality"] < 0 else known["quality"]
    known["bars"] = tuple(known["bars"].tolist())
    known["digest"] = known["digest"] if known["size"] else b""
    if known["error"] or not known["width"]:
        known["hash"] = known["thumb"] = b""
    return ImageFacts(name, **known)


class Images(Sequence[ImageFacts]):
    """Facts of many images, in the order of their names; those of a large set are unpacked again when asked for."""

    def __init__(self, names: Sequence[str], records: Array) -> None:
        self.names = names
        self.records = records
        self._unpacked: list[ImageFacts] | None = None

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> ImageFacts: ...
    @overload
    def __getitem__(self, index: slice) -> list[ImageFacts]: ...
    def __getitem__(self, index: int | slice) -> ImageFacts | list[ImageFacts]:
        if isinstance(index, slice):
            return unpack(self.names[index], self.records[index])
        place = range(len(self))[index]
        return self[place : place + 1][0]

    def __iter__(self) -> Iterator[ImageFacts]:
        if len(self) > KEPT:
            return (facts for start in range(0, len(self), BLOCK) for facts in self[start : start + BLOCK])
        if self._unpacked is None:
            self._unpacked = self[:]
        return iter(self._unpacked)

    def column(self, name: str) -> Array:
        """One number of every image; NaN where it is not known."""
        return self.records[name]

    def sound(self) -> Array:
        """Places of the images that could be examined."""
        return np.flatnonzero((self.records["error"] == b"") & (self.records["width"] > 0))
