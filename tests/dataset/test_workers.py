"""Workers that are killed are told of: nothing waits for them for ever."""

from __future__ import annotations

import os
import signal

import pytest

from lora_doctor.dataset.workers import spread
from lora_doctor.source.document import SourceError


def _dies(numbers: list[int]) -> list[int]:
    if 5 in numbers:
        os.kill(os.getpid(), signal.SIGKILL)
    return numbers


def _dies_while_it_answers(numbers: list[int]) -> list[bytes]:
    """Its answer is longer than a pipe holds, and it is gone before all of it is written."""
    if 5 in numbers:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    return [bytes(300_000_000)] if 5 in numbers else []


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no such signal")
@pytest.mark.parametrize("task", [_dies, _dies_while_it_answers])
def test_a_killed_worker_is_told_of(task: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lora_doctor.dataset.workers.WATCHED", 0.2)
    with pytest.raises(SourceError, match="fewer --workers"):
        list(spread(task, [[number] for number in range(8)], 2))  # type: ignore[arg-type]
