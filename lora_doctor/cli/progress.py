"""One line on a terminal while images are looked at: how many, how fast, how long still."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Told = Callable[[str, int, int], None]  # a folder, images done, images in all
PATIENCE = 0.5  # seconds before the first line: a small folder needs none
EVERY = 0.2  # seconds between two lines


@contextmanager
def progress() -> Iterator[Told | None]:
    """What `exam` is to tell of each image; None where standard error is no terminal. The line goes at the end."""
    if not sys.stderr.isatty():
        yield None
        return
    line = _Line()
    try:
        yield line.tell
    finally:
        line.clear()


class _Line:
    """What stands on the terminal."""

    def __init__(self) -> None:
        self._folder = ""
        self._begun = self._last = 0.0
        self._first = 0
        self._shown = False

    def tell(self, folder: str, done: int, whole: int) -> None:
        now = time.monotonic()
        if folder != self._folder or done <= self._first:
            self._folder, self._first, self._begun = folder, done, now
            self._last = now + PATIENCE - EVERY
        if now - self._last < EVERY or done == self._first:
            return
        self._last, self._shown = now, True
        rate = (done - self._first) / (now - self._begun)
        left = _clock((whole - done) / rate)
        name = folder if folder.isprintable() else ascii(folder)[1:-1]
        sys.stderr.write(f"\r\x1b[K{name}: {done:,} of {whole:,} images, {rate:.0f}/s, {left} left")
        sys.stderr.flush()

    def clear(self) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
