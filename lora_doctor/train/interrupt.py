"""Ctrl-C: the first asks the loop to save and leave after this step, the second leaves at once.

Where a process that started this one is gone (a closed terminal), that counts as asking too.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

from lora_doctor.train.launch import SIGNALS, orphaned


class Interrupt:
    """Catches what stops a run while it is on; `asked` says whether something did."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._caught_one = False
        self._say = say
        self._before: dict[int, Any] = {}

    @property
    def asked(self) -> bool:
        """Whether the run should end after this step."""
        return self._caught_one or orphaned()

    def __enter__(self) -> Interrupt:
        for number in SIGNALS:
            self._before[number] = signal.signal(number, self._caught)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _caught(self, number: int, frame: FrameType | None) -> None:
        if self._caught_one:
            os._exit(128 + number)  # checkpoints are renamed when they are whole: nothing is lost but this step
        self._caught_one = True
        self._say("stopping after this step: a checkpoint is written; once more leaves at once")
