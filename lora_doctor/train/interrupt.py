"""Ctrl-C: the first asks the loop to save and leave after this step, the second leaves at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any


class Interrupt:
    """Catches SIGINT and SIGTERM while a run is on; `asked` says whether one came."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.asked = False
        self._say = say
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupt:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._caught)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _caught(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            os._exit(128 + number)  # checkpoints are renamed when they are whole: nothing is lost but this step
        self.asked = True
        self._say("stopping after this step: a checkpoint is written; once more leaves at once")
