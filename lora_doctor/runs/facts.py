"""What lies in a run folder, in one vocabulary for every trainer."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from lora_doctor.adapter.facts import Adapter
from lora_doctor.plan import Plan


class Checkpoint(NamedTuple):
    """One saved LoRA. step: optimiser steps it was trained for, None where nothing says; final: the file without a
    number, written at the end. name: the run's own part of the file name, which tells runs in one folder apart.
    adapter: what its header says, once it was read.
    """

    path: Path
    step: int | None = None
    epoch: int | None = None
    final: bool = False
    name: str = ""
    adapter: Adapter | None = None


class Sample(NamedTuple):
    """One image made while training. slot: which prompt of the list, as the file's name says; kind: of a prompt matrix
    (`trigger`, `class`, `unrelated`...) where the trainer tells; strength: the LoRA's, 1.0 unless it says otherwise.
    control: of an edit, the images it was drawn with, relative to the run.
    """

    path: Path
    step: int | None = None
    epoch: int | None = None
    slot: str = ""
    prompt: str = ""
    seed: int | None = None
    kind: str = ""
    strength: float = 1.0
    control: tuple[str, ...] = ()


class Curve(NamedTuple):
    """One logged number over the run, in the order it was written. times: seconds since 1970, empty where not known."""

    name: str
    steps: tuple[int, ...]
    values: tuple[float, ...]
    times: tuple[float, ...] = ()
    source: str = ""


class Aside(NamedTuple):
    """A file that belongs to no part of the diagnosis, and why."""

    name: str
    why: str


class Gap(NamedTuple):
    """What is not there: what it would have told, and how to have it next time."""

    what: str
    tells: str
    how: str


class Layout(NamedTuple):
    """What one trainer's module finds in the names of a folder; logs and configs are names, best first."""

    checkpoints: tuple[Checkpoint, ...] = ()
    samples: tuple[Sample, ...] = ()
    logs: tuple[str, ...] = ()
    configs: tuple[str, ...] = ()
    other_runs: tuple[str, ...] = ()  # names of further runs in the same folder


class Run(NamedTuple):
    """A run folder, read. Checkpoints and samples are in the order of their steps. `axis` is what their `step` counts:
    `step`, or `epoch` where no file says how many steps an epoch had. plan: of the config beside it, or the one given.
    """

    folder: Path
    trainer: str
    checkpoints: tuple[Checkpoint, ...] = ()
    samples: tuple[Sample, ...] = ()
    curves: tuple[Curve, ...] = ()
    plan: Plan | None = None
    axis: str = "step"
    aside: tuple[Aside, ...] = ()
    gaps: tuple[Gap, ...] = ()
    running: bool = False  # files are still being written

    @property
    def steps(self) -> tuple[int, ...]:
        """Every moment there is a checkpoint or a sample of, ascending."""
        return tuple(sorted({each.step for each in self.dated if each.step is not None}))

    @property
    def dated(self) -> tuple[Checkpoint | Sample, ...]:
        """Checkpoints and samples."""
        return (*self.checkpoints, *self.samples)


class Files(NamedTuple):
    """The names below a folder (relative, `/` between parts, sorted)."""

    root: Path
    names: tuple[str, ...]

    def path(self, name: str) -> Path:
        """Where a name lies."""
        return self.root / name
