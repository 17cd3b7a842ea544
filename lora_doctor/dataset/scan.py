"""Every image of a folder, each decoded once, on all cores, in bounded memory; what did not change is not read."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from lora_doctor.dataset.arrays import keep_memory, single_threaded
from lora_doctor.dataset.cache import Cache, Stamp
from lora_doctor.dataset.facts import Features, ImageFacts
from lora_doctor.dataset.record import RECORD, Images, pack

CHUNK = 8  # images sent to a worker at once
AHEAD = 4  # chunks in flight per worker: what bounds the memory
FEW = 24  # images that are examined here: starting workers takes as long
COMMIT = 5.0  # seconds between writes of the cache
Tell = Callable[[int, int], None]
Answer = tuple[int, bytes, bytes, Features | None]  # place, digest, record, corners (None: the content was known)


def scan(
    folder: Path, names: Sequence[str], cache: Cache, *, workers: int | None = None, tell: Tell | None = None
) -> Images:
    """Facts of the named files (relative to `folder`), in their order; `tell` gets how many are done of how many."""
    records = np.zeros(len(names), RECORD)
    paths = [os.path.join(os.path.abspath(folder), name) for name in names]
    stamps = {path: stamp for path in paths if (stamp := _stamp(path)) is not None}
    known = {path: record for path, record in cache.known(stamps) if len(record) == RECORD.itemsize}
    todo = [i for i, path in enumerate(paths) if path not in known]
    for i, path in enumerate(paths):
        if path in known:
            records[i] = np.frombuffer(known[path], RECORD)[0]
    del known
    last = time.monotonic()
    for done, (place, digest, record, features) in enumerate(_examined(paths, todo, cache, workers), 1):
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


def _stamp(path: str) -> Stamp | None:
    try:
        state = os.stat(path)
    except OSError:
        return None
    return Stamp(state.st_size, state.st_mtime_ns)


def _examined(paths: list[str], todo: list[int], cache: Cache, workers: int | None) -> Iterator[Answer]:
    if not todo:
        return
    count = min(workers or _cores(), -(-len(todo) // CHUNK))
    if count <= 1 or (workers is None and len(todo) < FEW):
        single_threaded()
        for place in todo:
            yield _one(place, paths[place], cache)
        return
    yield from _spread(paths, todo, str(cache.path), count)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _spread(paths: list[str], todo: list[int], cache: str, count: int) -> Iterator[Answer]:
    """Chunks handed to spawned workers, never more than a few at a time; leaving early ends them at once."""
    from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
    from multiprocessing import get_context

    chunks = ([(i, paths[i]) for i in todo[at : at + CHUNK]] for at in range(0, len(todo), CHUNK))
    with _main_left_alone():
        pool = ProcessPoolExecutor(count, get_context("spawn"), _start, (cache,))
        flying: set[Future[list[Answer]]] = set()
        try:
            for chunk in chunks:
                flying.add(pool.submit(_chunk, chunk))
                if len(flying) >= count * AHEAD:
                    landed, flying = wait(flying, return_when=FIRST_COMPLETED)
                    for each in landed:
                        yield from each.result()
            while flying:
                landed, flying = wait(flying, return_when=FIRST_COMPLETED)
                for each in landed:
                    yield from each.result()
        except BaseException:
            for process in list(getattr(pool, "_processes", {}).values()):
                process.terminate()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        pool.shutdown()


@contextmanager
def _main_left_alone() -> Iterator[None]:
    """A spawned worker imports the main module again; ours is a command line, which nothing in a worker needs."""
    main = sys.modules["__main__"]
    kept = {name: getattr(main, name) for name in ("__file__", "__spec__") if hasattr(main, name)}
    for name in kept:
        setattr(main, name, None)
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(main, name, value)


_cache: Cache | None = None


def _start(cache: str) -> None:
    """A worker begins: one core, no part in Ctrl-C, which the parent handles."""
    global _cache
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_memory()
    single_threaded()
    _cache = Cache(Path(cache))


def _chunk(files: list[tuple[int, str]]) -> list[Answer]:
    assert _cache is not None, "a worker begins with `_start`"
    return [_one(place, path, _cache) for place, path in files]


def _one(place: int, path: str, cache: Cache) -> Answer:
    """One file, unless its content was examined under another name or time."""
    from lora_doctor.dataset.decode import UndecodableError
    from lora_doctor.dataset.examine import examine, read_bytes

    try:
        data = read_bytes(path)
    except UndecodableError as error:
        return place, b"", pack(ImageFacts("", error=str(error))), None
    import hashlib

    digest = hashlib.sha256(data).digest()
    record = _remembered(cache, digest)
    if record is not None:
        return place, digest, record, None
    found = examine("", data, digest)
    return place, digest, pack(found.facts), found.features


def _remembered(cache: Cache, digest: bytes) -> bytes | None:
    import sqlite3

    with suppress(sqlite3.Error):
        record = cache.of_content(digest)
        return record if record is not None and len(record) == RECORD.itemsize else None
    return None
