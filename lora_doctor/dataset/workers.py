"""Work spread over processes: chunks in flight bound the memory, and leaving early ends all workers at once."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from lora_doctor.dataset.arrays import keep_memory, single_threaded
from lora_doctor.source.document import SourceError

T = TypeVar("T")
R = TypeVar("R")
AHEAD = 4  # chunks in flight per worker
WATCHED = 5.0  # seconds without an answer after which the workers are looked at
ENDED = (
    "a process that looks at images was ended from outside, most often for lack of memory: "
    "run it again with fewer --workers; what was measured is kept"
)


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def begin_worker() -> None:
    """A worker begins: one core, no part in Ctrl-C, which the parent handles."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_memory()
    single_threaded()


def spread(
    task: Callable[[list[T]], list[R]],
    chunks: Iterable[list[T]],
    count: int,
    start: Callable[..., None] = begin_worker,
    told: tuple[Any, ...] = (),
) -> Iterator[R]:
    """`task` on every chunk in `count` spawned workers, each begun with `start(*told)`; answers as they come.

    Raises:
        SourceError: a worker was ended from outside.
    """
    from concurrent.futures import Future, ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    with _main_left_alone():
        pool = ProcessPoolExecutor(count, get_context("spawn"), start, told)
        flying: set[Future[list[R]]] = set()
        try:
            for chunk in chunks:
                flying.add(pool.submit(task, chunk))
                if len(flying) >= count * AHEAD:
                    landed, flying = _first(flying, pool)
                    for each in landed:
                        yield from each.result()
            while flying:
                landed, flying = _first(flying, pool)
                for each in landed:
                    yield from each.result()
        except BrokenProcessPool:
            _end(pool)
            raise SourceError(ENDED) from None
        except BaseException:
            _end(pool)
            raise
        pool.shutdown()


def _first(flying: set[Any], pool: Any) -> tuple[set[Any], set[Any]]:
    """What has landed, and what is still in the air.

    A worker that is killed while it sends an answer leaves the pool waiting for the rest of it.
    """
    from concurrent.futures import FIRST_COMPLETED, wait
    from concurrent.futures.process import BrokenProcessPool

    while True:
        landed, left = wait(flying, WATCHED, FIRST_COMPLETED)
        if landed:
            return landed, left
        if any(process.exitcode is not None for process in _processes(pool)):
            raise BrokenProcessPool


def _processes(pool: Any) -> list[Any]:
    return list((getattr(pool, "_processes", None) or {}).values())


def _end(pool: Any) -> None:
    """At once, whatever the pool waits for: with no writer left, what it reads from has an end."""
    for process in _processes(pool):
        process.terminate()
    writer = getattr(getattr(pool, "_result_queue", None), "_writer", None)
    if writer is not None:
        writer.close()
    pool.shutdown(wait=False, cancel_futures=True)


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
