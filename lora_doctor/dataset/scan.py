"""Every image of a folder, each decoded once, on all cores, in bounded memory; what did not change is not read."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from lora_doctor.dataset.arrays import single_threaded
from lora_doctor.dataset.cache import Cache, reader, stamp_of
from lora_doctor.dataset.facts import Features, ImageFacts
from lora_doctor.dataset.record import RECORD, Images, pack
from lora_doctor.dataset.workers import begin_worker, cores, spread

CHUNK = 8  # images sent to a worker at once
FEW = 24  # images that are examined here: starting workers takes as long
COMMIT = 5.0  # seconds between writes of the cache
Tell = Callable[[int, int], None]
Answer = tuple[int, bytes, bytes, Features | None]  # place, digest, record, corners (None: the content was known)


def scan(
    folder: Path,
    names: Sequence[str],
    cache: Cache,
    *,
    workers: int | None = None,
    tell: Tell | None = None,
    apart: bool = False,
) -> Images:
    """Facts of the named files (relative to `folder`), in their order; `tell` gets how many are done of how many.

    `apart`: in other processes, however few there are, so that OpenCV takes none of this one's memory.
    """
    records = np.zeros(len(names), RECORD)
    paths = [os.path.join(os.path.abspath(folder), name) for name in names]
    stamps = {path: stamp for path in paths if (stamp := stamp_of(path)) is not None}
    known = {path: record for path, record in cache.known(stamps) if len(record) == RECORD.itemsize}
    todo = [i for i, path in enumerate(paths) if path not in known]
    for i, path in enumerate(paths):
        if path in known:
            records[i] = np.frombuffer(known[path], RECORD)[0]
    del known
    last = time.monotonic()
    for done, (place, digest, record, features) in enumerate(_examined(paths, todo, cache, workers, apart), 1):
        records[place] = np.frombuffer(record, RECORD)[0]
        if digest and paths[place] in stamps:
            cache.keep(paths[place], stamps[paths[place]], digest, record, features)
        if time.monotonic() - last > COMMIT:
            cache.commit()
            last = time.monotonic()
        if tell is not None:
            tell(len(names) - len(todo) + done, len(names))
    cache.commit()
    return Images(names, records)


def _examined(
    paths: list[str], todo: list[int], cache: Cache, workers: int | None, apart: bool
) -> Iterator[Answer]:
    if not todo:
        return
    count, recall = min(workers or cores(), -(-len(todo) // CHUNK)), reader(cache.path)
    few = count <= 1 or (workers is None and len(todo) < FEW)
    if few and not apart:
        single_threaded()
        for place in todo:
            yield _one(place, paths[place], recall)
        return
    if few:
        recalled = [_recalled(place, paths[place], recall) for place in todo]
        yield from (answer for answer in recalled if answer is not None)
        todo = [place for place, answer in zip(todo, recalled) if answer is None]
    chunks = ([(i, paths[i]) for i in todo[at : at + CHUNK]] for at in range(0, len(todo), CHUNK))
    yield from spread(_chunk, chunks, count, _start, (str(cache.path),))


Recall = Callable[[bytes], bytes | None]
_recall: Recall | None = None


def _start(cache: str) -> None:
    global _recall
    begin_worker()
    _recall = reader(Path(cache))


def _chunk(files: list[tuple[int, str]]) -> list[Answer]:
    assert _recall is not None, "a worker begins with `_start`"
    return [_one(place, path, _recall) for place, path in files]


def _recalled(place: int, path: str, recall: Recall) -> Answer | None:
    """One file whose content was examined under another name or time."""
    try:
        digest = hashlib.sha256(Path(path).read_bytes()).digest()
    except OSError:
        return None
    record = recall(digest)
    return (place, digest, record, None) if record is not None and len(record) == RECORD.itemsize else None


def _one(place: int, path: str, recall: Recall) -> Answer:
    """One file, unless its content was examined under another name or time."""
    from lora_doctor.dataset.decode import UndecodableError
    from lora_doctor.dataset.examine import examine, read_bytes

    try:
        data = read_bytes(path)
    except UndecodableError as error:
        return place, b"", pack(ImageFacts("", error=str(error))), None
    digest = hashlib.sha256(data).digest()
    record = recall(digest)
    if record is not None and len(record) == RECORD.itemsize:
        return place, digest, record, None
    found = examine("", data, digest)
    return place, digest, pack(found.facts), found.features
