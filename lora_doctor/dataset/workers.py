"""Work spread over processes: chunks in flight bound the memory, and leaving early ends all workers at once."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from lora_doctor.dataset.arrays import keep_memory, single_threaded

T = TypeVar("T")
R = TypeVar("R")
AHEAD = 4  # chunks in flight per worker


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
    """`task` on every chunk in `count` spawned workers, each begun with `start(*told)`; answers as they come."""
    from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
    from multiprocessing import get_context

    with _main_left_alone():
        pool = ProcessPoolExecutor(count, get_context("spawn"), start, told)
        flying: set[Future[list[R]]] = set()
        try:
            for chunk in chunks:
                flying.add(pool.submit(task, chunk))
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
