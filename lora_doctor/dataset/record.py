"""Facts as fixed-size records: a hundred thousand images take 60 MB, and a cache row is read without parsing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np

from lora_doctor.dataset.arrays import Array
from lora_doctor.dataset.facts import ImageFacts

FLOATS = (
    "transparent", "hidden", "chroma", "black", "middle", "white", "between", "clipped", "blur", "detail", "noise",
    "blocks", "texture",
)  # fmt: skip
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


def unpack(name: str, record: Any) -> ImageFacts:
    """The facts of a record."""
    measured = not record["error"] and bool(record["width"])
    floats = {key: None if np.isnan(record[key]) else float(record[key]) for key in FLOATS}
    return ImageFacts(
        name,
        error=record["error"].decode(),
        size=int(record["size"]),
        format=record["format"].decode(),
        width=int(record["width"]),
        height=int(record["height"]),
        orientation=int(record["orientation"]),
        mode=record["mode"].decode(),
        bits=int(record["bits"]),
        frames=int(record["frames"]),
        profile=record["profile"].decode(),
        quality=None if record["quality"] < 0 else int(record["quality"]),
        bars=tuple(int(side) for side in record["bars"]),  # type: ignore[arg-type]
        digest=record["digest"].tobytes() if record["size"] else b"",
        pixels=int(record["pixels"]),
        hash=record["hash"].tobytes() if measured else b"",
        thumb=record["thumb"].tobytes() if measured else b"",
        **floats,
    )


class Images(Sequence[ImageFacts]):
    """Facts of many images, in the order of their names; each is unpacked when it is asked for."""

    def __init__(self, names: Sequence[str], records: Array) -> None:
        self.names = names
        self.records = records

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> ImageFacts: ...
    @overload
    def __getitem__(self, index: slice) -> list[ImageFacts]: ...
    def __getitem__(self, index: int | slice) -> ImageFacts | list[ImageFacts]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return unpack(self.names[index], self.records[index])

    def __iter__(self) -> Iterator[ImageFacts]:
        return (unpack(name, record) for name, record in zip(self.names, self.records))

    def column(self, name: str) -> Array:
        """One number of every image; NaN where it is not known."""
        return self.records[name]

    def sound(self) -> Array:
        """Places of the images that could be examined."""
        return np.flatnonzero((self.records["error"] == b"") & (self.records["width"] > 0))
