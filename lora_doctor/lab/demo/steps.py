"""The steps of the demo, each leaving files in its folder and something to show."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Final, NamedTuple

from lora_doctor.write import write_beside

from ..world.folders import Asked, Written, write_folder
from . import runs
from .commands import Ran, run

ASKED: Final = Asked("sepia", number=12, seed=2)
# Kept apart so that one picture has one; the last six pictures are as they should be.
DEFECTS: Final = ("blurred", "jpeg", "truncated", "no-caption", "near-copy", "dark")
EXAM: Final = ("--trigger", "zwx", "--purpose", "style", "--resolution", "512")


class Shown(NamedTuple):
    """What the page shows; `courses` are both trainings, none where the packages for them are not there."""

    written: list[Written]
    exam: Ran
    lint: Ran
    mended: Ran
    config: str
    mended_config: str
    courses: list[runs.Course]


class Step(NamedTuple):
    """A sentence for the progress line, and its share of the time."""

    sentence: str
    weight: int


DRAW: Final = Step("drawing a dataset with six defects", 6)
EXAMINE: Final = Step("examining it", 5)
LINT: Final = Step("linting a config", 2)
MEND: Final = Step("mending the config", 2)
TRAIN: Final = Step("training two LoRAs, one of them too long", 50)
DIAGNOSE: Final = Step("diagnosing both", 6)
PAGE: Final = Step("writing the page", 1)


def steps(training: bool) -> tuple[Step, ...]:
    """All of them, in order; trainings only where they can be had."""
    return (DRAW, EXAMINE, LINT, MEND, *((TRAIN, DIAGNOSE) if training else ()), PAGE)


def play(folder: Path, tell: Callable[[Step, float], None], training: bool) -> Shown:
    """Every step but the page; `tell` gets each before it begins, and the share that is done, 0 to 1.

    Raises:
        SourceError: a command failed, or a file can't be written.
    """
    tell(DRAW, 0.0)
    written = write_folder(folder / "dataset", ASKED, DEFECTS)
    tell(EXAMINE, 0.0)
    exam = run(folder, "dataset", "dataset", *EXAM, hidden=("--json", "--report", "dataset.html"))
    tell(LINT, 0.0)
    config = folder / "train.yaml"
    write_beside(config, files("lora_doctor.lab.demo").joinpath("train.yaml").read_bytes())
    lint = run(folder, "lint", "--no-dataset", "train.yaml", hidden=("--format", "json"))
    tell(MEND, 0.0)
    shutil.copyfile(config, folder / "mended.yaml")
    run(folder, "lint", "--fix", "--unsafe-fixes", "mended.yaml")
    mended = run(folder, "lint", "--no-dataset", "mended.yaml", hidden=("--format", "json"))
    courses = _courses(folder / "training", tell) if training else []
    before, after = ((folder / name).read_text(encoding="utf-8") for name in ("train.yaml", "mended.yaml"))
    return Shown(written, exam, lint, mended, before, after, courses)


def _courses(folder: Path, tell: Callable[[Step, float], None]) -> list[runs.Course]:
    """A training that ends in time and one that does not."""
    tell(TRAIN, 0.0)
    runs.prepare(folder)
    trained = runs.train_both(folder, lambda share: tell(TRAIN, share))
    tell(DIAGNOSE, 0.0)
    return runs.examined(folder, trained)
