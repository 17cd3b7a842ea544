"""Commands of lora-doctor as the demo runs them: the installed program, its answer for programs, its exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from lora_doctor.source.document import SourceError

LOOK: Final = 0.2  # seconds between two looks at processes that work


class Ran(NamedTuple):
    """A command as one types it, its answer to programs (None if it was not asked), and its exit code."""

    command: str
    answer: Mapping[str, Any] | None
    code: int

    @property
    def findings(self) -> Sequence[Mapping[str, Any]]:
        """What `lint` and `dataset` found."""
        return tuple(self.answer["findings"]) if self.answer else ()


def run(folder: Path, *arguments: str, hidden: tuple[str, ...] = ()) -> Ran:
    """Runs `lora-doctor ARGUMENTS` in a folder; `hidden` are arguments that only a program needs.

    Raises:
        SourceError: it could not work.
    """
    done = subprocess.run(
        _line(*arguments, *hidden), cwd=folder, capture_output=True, encoding="utf-8", check=False, env=_environment()
    )
    if done.returncode not in (0, 1):
        raise _failed(arguments, done.stderr)
    return Ran(_typed(arguments), json.loads(done.stdout) if hidden else None, done.returncode)


def run_together(folder: Path, lines: Sequence[tuple[str, ...]], look: Callable[[], None]) -> list[Ran]:
    """Several commands at once, one core each, what they say in `said-1.txt`...; `look` is called while they work.

    Raises:
        SourceError: one could not work; the others are stopped.
    """
    said = [folder / f"said-{number}.txt" for number in range(1, len(lines) + 1)]
    running: list[subprocess.Popen[bytes]] = []
    try:
        for line, path in zip(lines, said, strict=True):
            with path.open("wb") as out:
                running.append(
                    subprocess.Popen(_line(*line), cwd=folder, stdout=out, stderr=out, env=_environment(cores=1))
                )
        while any(each.poll() is None for each in running):
            time.sleep(LOOK)
            look()
            _stop_at_failure(running, lines, said)
        _stop_at_failure(running, lines, said)
    finally:
        for each in running:
            if each.poll() is None:
                each.terminate()
            each.wait()
    return [Ran(_typed(line), None, each.returncode) for line, each in zip(lines, running, strict=True)]


def _stop_at_failure(
    running: Sequence[subprocess.Popen[bytes]], lines: Sequence[tuple[str, ...]], said: Sequence[Path]
) -> None:
    for each, line, path in zip(running, lines, said, strict=True):
        if each.returncode not in (None, 0):
            raise _failed(line, path.read_text(encoding="utf-8", errors="replace"))


def _environment(cores: int | None = None) -> dict[str, str]:
    own = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    return own if cores is None else {**own, "OMP_NUM_THREADS": str(cores)}


def _line(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "lora_doctor", *arguments]


def _typed(arguments: Sequence[str]) -> str:
    return f"lora-doctor {' '.join(arguments)}"


def _failed(arguments: Sequence[str], said: str) -> SourceError:
    last = (said.strip().splitlines() or ["no word"])[-1].removeprefix("lora-doctor: ")
    return SourceError(f"`{_typed(arguments)}` failed in the demo: {last}")
