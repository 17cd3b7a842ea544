"""Folders of images, described in a line each; nothing is written to the user's cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from lora_doctor.cli import run
from lora_doctor.dataset.arrays import missing

if TYPE_CHECKING:
    from lora_doctor.dataset.imageset import ImageSet

Examine = Callable[..., "ImageSet"]
collect_ignore_glob = ["test_*.py"] if missing() else []  # all of it needs the extra


class Ran(NamedTuple):
    """What a call came to."""

    code: int
    out: str
    err: str


Call = Callable[..., Ran]


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str]) -> Call:
    """`call("dataset", folder)`: `lora-doctor` in this process."""

    def calling(*args: str | Path) -> Ran:
        capfd.readouterr()
        code = run([str(arg) for arg in args])
        return Ran(code, *capfd.readouterr())

    return calling


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder for images."""
    path = tmp_path / "images"
    path.mkdir()
    return path


@pytest.fixture
def examine(folder: Path) -> Examine:
    """`examine("a.png: 64x64 photo", trainer="sd-scripts")`: the described folder, examined."""
    from lora_doctor.dataset.described import write_described
    from lora_doctor.dataset.exam import exam
    from lora_doctor.dataset.given import Given, given_plan

    def examining(text: str, *, workers: int = 1, **given: object) -> ImageSet:
        write_described(text, folder)
        for name in ("masks", "control"):
            if name in given:
                given[name] = str(folder / str(given[name]))
        [found] = exam(given_plan(folder, Given(**given)), workers=workers)  # type: ignore[arg-type]
        return found

    return examining
