"""Two trainings on the micro Klein, one that ends in time and one that does not, and what became of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from PIL import Image

from lora_doctor.write import write_beside

from .. import micro_klein
from ..world.folders import Asked, planned, write_folder
from ..world.scene import Scene
from .commands import Ran, run, run_together

SUBJECT: Final = "robot"  # the micro models have never seen one
TAUGHT: Final = ("training", "novel", "style")  # kinds of prompts with the trigger
NAMES: Final = ("first", "second")
STEPS: Final = {"first": 250, "second": 400}  # as their configs say
DATA: Final = {
    "first": ("eight", Asked(SUBJECT, number=8, seed=1)),
    "second": ("three", Asked(SUBJECT, number=3, seed=1)),  # the first three of the eight
}


class Sampled(NamedTuple):
    """One sample image: its file, what was asked, and whether ground truth says that it is the subject, or a copy."""

    path: Path
    step: int
    slot: str
    kind: str
    prompt: str
    nth: int
    recognised: bool
    copy: bool


class Course(NamedTuple):
    """One training: its config, the pictures it saw, its samples in order of steps, and the diagnosis."""

    name: str
    config: str
    pictures: list[Path]
    trained: Ran
    samples: list[Sampled]
    diagnosis: Ran

    def taught(self, step: int) -> list[Sampled]:
        """Samples of a step whose prompt has the trigger: whether they are what was to be learned, and copies."""
        return [each for each in self.samples if each.step == step and each.kind in TAUGHT]

    def suspected(self, sample: Sampled) -> bool:
        """Whether diagnose takes it for a copy."""
        told = {each["sample"] for each in (self.diagnosis.answer or {})["copies"]}
        return f"samples/{sample.path.parent.name}/{sample.path.name}" in told

    @property
    def steps(self) -> list[int]:
        """Steps at which samples were drawn."""
        return sorted({each.step for each in self.samples})


def prepare(folder: Path) -> None:
    """Pictures, captions and both configs."""
    for name in NAMES:
        into, asked = DATA[name]
        write_folder(folder / into, asked)
        text = files("lora_doctor.lab.demo").joinpath(f"{name}.toml").read_text(encoding="utf-8")
        text = text.replace('"MICRO-KLEIN"', json.dumps(str(micro_klein()), ensure_ascii=False))
        write_beside(folder / f"{name}.toml", text.encode("utf-8"))


def train_both(folder: Path, moved: Callable[[float], None]) -> list[Ran]:
    """Both trainings at once, each on a core; `moved` gets the share of their steps that is done, 0 to 1.

    Raises:
        SourceError: one of them failed.
    """
    whole = sum(STEPS.values())
    look = lambda: moved(sum(_done(folder / name) for name in NAMES) / whole)  # noqa: E731
    return run_together(folder, [("train", f"{name}.toml") for name in NAMES], look)


def _done(run_folder: Path) -> int:
    """Steps that a run's log tells of."""
    log = run_folder / "log.jsonl"
    return log.read_bytes().count(b'"loss"') if log.is_file() else 0


def examined(folder: Path, trained: Sequence[Ran]) -> list[Course]:
    """What diagnose says of both runs, and ground truth of every sample."""
    return [_course(folder, name, ran) for name, ran in zip(NAMES, trained, strict=True)]


def _course(folder: Path, name: str, trained: Ran) -> Course:
    into, asked = DATA[name]
    return Course(
        name,
        (folder / f"{name}.toml").read_text(encoding="utf-8"),
        sorted((folder / into).glob("*.png")),
        trained,
        _samples(folder / name, planned(asked)),
        run(folder, "diagnose", name, hidden=("--json", "--report", f"{name}.html")),
    )


def _samples(run_folder: Path, scenes: Sequence[Scene]) -> list[Sampled]:
    from ..truth.copies import nearest
    from ..truth.look import look

    lines = (run_folder / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    rows: list[Mapping[str, Any]] = [json.loads(line) for line in lines]
    paths = [run_folder / row["file"] for row in rows]
    pictures = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    found = []
    for row, path, picture, seen in zip(rows, paths, pictures, look(pictures), strict=True):
        known = seen.answers["subject"].word == SUBJECT
        nth = int(path.stem.rpartition("-")[2])
        asked = (row["slot"], row["kind"], row["prompt"])
        found.append(Sampled(path, row["step"], *asked, nth, known, nearest(picture, scenes).copy))
    return found
