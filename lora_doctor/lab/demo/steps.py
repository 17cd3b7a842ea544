"""The steps of the demo, each leaving files in its folder and something to show."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Final, NamedTuple

from lora_doctor.write import write_beside

from ..world.folders import Asked, Written, write_folder
from .commands import Ran, run

ASKED: Final = Asked("sepia", number=12, seed=2)
# Kept apart so that one picture has one; the last six pictures are as they should be.
DEFECTS: Final = ("blurred", "jpeg", "truncated", "no-caption", "near-copy", "dark")
EXAM: Final = ("--trigger", "zwx", "--purpose", "style", "--resolution", "512")


class Shown(NamedTuple):
    """What the page shows."""

    written: list[Written]
    exam: Ran
    lint: Ran
    mended: Ran
    config: str
    mended_config: str


class Step(NamedTuple):
    """A sentence for the progress line, and its share of the time."""

    sentence: str
    weight: int


STEPS: Final = (
    Step("drawing a dataset with six defects", 6),
    Step("examining it", 5),
    Step("linting a config", 2),
    Step("mending the config", 2),
    Step("writing the page", 1),
)


def play(folder: Path, tell: Callable[[Step], None]) -> Shown:
    """Every step but the page; `tell` is called before each.

    Raises:
        SourceError: a command failed, or a file can't be written.
    """
    tell(STEPS[0])
    written = write_folder(folder / "dataset", ASKED, DEFECTS)
    tell(STEPS[1])
    exam = run(folder, "dataset", "dataset", *EXAM, hidden=("--json", "--report", "dataset.html"))
    tell(STEPS[2])
    config = folder / "train.yaml"
    write_beside(config, files("lora_doctor.lab.demo").joinpath("train.yaml").read_bytes())
    lint = run(folder, "lint", "--no-dataset", "train.yaml", hidden=("--format", "json"))
    tell(STEPS[3])
    shutil.copyfile(config, folder / "mended.yaml")
    run(folder, "lint", "--fix", "--unsafe-fixes", "mended.yaml")
    mended = run(folder, "lint", "--no-dataset", "mended.yaml", hidden=("--format", "json"))
    texts = [(folder / name).read_text(encoding="utf-8") for name in ("train.yaml", "mended.yaml")]
    return Shown(written, exam, lint, mended, *texts)
