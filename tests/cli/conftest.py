"""Calls `lora-doctor` in this process, in an empty folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from lora_doctor.cli import run


class Ran(NamedTuple):
    """What a call came to."""

    code: int
    out: str
    err: str


Call = Callable[..., Ran]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """`call("lint", "a.toml")`, in `tmp_path` and without anything of the environment that changes the output."""
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR", "GITHUB_STEP_SUMMARY", "LORA_DOCTOR_DEBUG", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)

    def calling(*args: str | Path) -> Ran:
        capfd.readouterr()
        code = run([str(arg) for arg in args])
        return Ran(code, *capfd.readouterr())

    return calling
