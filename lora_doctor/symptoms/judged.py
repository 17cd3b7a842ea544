"""Runs whose symptoms somebody knows: what was measured of them, and what is true of them, as records and as JSON.

The somebody is the lab's ground truth (`lora_doctor.lab.labelled`), or a user who looked at the pictures
(`lora-doctor calibrate`). Limits are fitted to both by the same code.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from lora_doctor.runs.facts import Run
from lora_doctor.symptoms.course import Course
from lora_doctor.symptoms.judge import judge
from lora_doctor.symptoms.signals import Signal, Spec, specs
from lora_doctor.symptoms.verdict import Verdict

NO_FIGURES: Mapping[str, Any] = MappingProxyType({})


class Judged(NamedTuple):
    """One run. present: symptoms (rules' ids) that are there or not; what is open is left out. best, usable: steps of
    the checkpoint to keep, and of those worth keeping, None where nobody said; pick: what the doctor would keep.
    """

    name: str
    family: str | None
    purpose: str | None
    micro: bool
    signals: Mapping[str, Signal]
    present: Mapping[str, bool]
    usable: tuple[int, ...] | None = None
    pick: int | None = None

    @property
    def healthy(self) -> bool:
        """Whether it has no symptom that was judged."""
        return bool(self.present) and not any(self.present.values())

    def course(self, table: Mapping[str, Spec] | None = None) -> Course:
        """The same as rules on symptoms look at it."""
        run = Run(Path(self.name), "")
        return Course(run, self.family, self.purpose, self.signals, table=table, micro=self.micro)


def of_course(name: str, course: Course, present: Mapping[str, bool], usable: tuple[int, ...] | None = None) -> Judged:
    """What was measured of a run, beside what is true of it."""
    pick = course.window.pick if course.window is not None else None
    signals = dict(course.signals)
    return Judged(name, course.family, course.purpose, course.micro, signals, dict(present), usable, pick)


def verdicts(judged: Judged, table: Mapping[str, Spec] | None = None) -> dict[str, Verdict]:
    """What the doctor says of it, by symptom."""
    return {each.rule.id: each.verdict for each in judge(judged.course(table))[0]}


def as_data(judged: Judged) -> dict[str, Any]:
    """As JSON."""
    rows = {name: _row(signal) for name, signal in judged.signals.items()}
    usable = None if judged.usable is None else list(judged.usable)
    return {**judged._asdict(), "signals": rows, "present": dict(judged.present), "usable": usable}


def from_data(data: Mapping[str, Any]) -> Judged:
    """From JSON; signals that are not known any more are left out."""
    known = specs()
    signals = {name: _signal(name, row) for name, row in data["signals"].items() if name in known}
    usable = None if data["usable"] is None else tuple(data["usable"])
    return Judged(**{**data, "signals": signals, "usable": usable})


def _row(signal: Signal) -> dict[str, Any]:
    values = [float(f"{value:.5g}") for value in signal.values]
    return {"at": list(signal.at), "values": values, "counts": list(signal.counts)}


def _signal(name: str, row: Mapping[str, Any]) -> Signal:
    return Signal(name, tuple(row["at"]), tuple(map(float, row["values"])), tuple(row["counts"]))
