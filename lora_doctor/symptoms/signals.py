"""Signals: one number of a run over its steps, with what it is compared with; and the limits it is judged by.

`signals.json` has every signal there is, from files and from the base model: what it is, which way is worse, and for
each family (and purpose) the limits with their provenance. A project or a calibration may lay its own table over it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

TABLE = Path(__file__).with_name("signals.json")
PROVENANCES = ("measured in the lab", "calibrated", "published", "carried over", "not yet calibrated", "certain")
KINDS = ("images", "weights", "logs", "captions", "denoiser", "encoders")


class Limit(NamedTuple):
    """From `warn` on a signal speaks for its symptom, from `alarm` on with its whole weight.

    weight: log10 of the likelihood ratio at the alarm; half of it at the warning. clean: the same, against the symptom,
    where the signal stays below the warning. enough: images (or layers, rows) behind it for the whole weight, those of
    several steps together.
    """

    warn: float
    alarm: float
    weight: float = 0.5
    clean: float = 0.25
    enough: int = 1
    provenance: str = "not yet calibrated"
    source: str = ""


class Spec(NamedTuple):
    """What a signal is. kind: of its evidence, one of `KINDS`; judged: `last`, the value at the last step, `peak`, the
    worst, or `median`; lower: small values are the bad ones; unit: share, ratio, count, z...
    """

    name: str
    title: str
    kind: str
    unit: str
    judged: str = "last"
    lower: bool = False
    limits: Mapping[str, Limit] = MappingProxyType({})

    def limit(self, family: str | None, purpose: str | None, micro: bool = False) -> Limit | None:
        """The limits of a family and purpose, of either, or of all; None where the signal is only shown.

        micro: a model of no known size, where the lab's own limits come first: what a small model gains of its loss by
        learning is far more than what a large one gains.
        """
        small = (f"micro {family}@{purpose}", f"micro {family}", f"micro@{purpose}", "micro") if micro else ()
        for key in (*small, f"{family}@{purpose}", f"@{purpose}", f"{family}", "any"):
            if key in self.limits:
                return self.limits[key]
        return None


class Signal(NamedTuple):
    """A measured signal. at: steps, ascending; counts: images, layers or rows behind each value; baseline: the same
    number of what it is compared with, which `against` names; about: the files it stands on, the worst first.
    """

    name: str
    at: tuple[int, ...]
    values: tuple[float, ...]
    counts: tuple[int, ...] = ()
    baseline: float | None = None
    against: str = ""
    about: tuple[str, ...] = ()

    def count(self, place: int) -> int:
        """Images behind one value."""
        return self.counts[place] if place < len(self.counts) else 1


@cache
def specs() -> Mapping[str, Spec]:
    """Every signal by its name."""
    return read_specs(json.loads(TABLE.read_text(encoding="utf-8")))


def read_specs(table: Mapping[str, Any]) -> dict[str, Spec]:
    """The signals of a table as it stands in the file."""
    found = {}
    for name, row in table["signals"].items():
        limits = {key: Limit(**limit) for key, limit in row.get("limits", {}).items()}
        plain = {key: value for key, value in row.items() if key != "limits"}
        found[name] = Spec(name=name, **plain, limits=limits)
    return found


class Reading(NamedTuple):
    """A signal held against its limits. level: clean, warn or alarm; since: the first step from which it stays beyond
    the warning; weight: log10 likelihood ratio, above 0 for the symptom.
    """

    signal: Signal
    spec: Spec
    limit: Limit
    value: float
    at: int | None
    level: str
    since: int | None
    weight: float

    @property
    def raised(self) -> bool:
        """Whether it speaks for the symptom."""
        return self.level != "clean"


def read_signal(signal: Signal, spec: Spec, limit: Limit) -> Reading:
    """Judge one signal."""
    sign = -1.0 if spec.lower else 1.0
    place = _judged(signal, spec, sign)
    value = signal.values[place]
    level = _level(value, limit, sign)
    share = min(1.0, _behind(signal, limit, sign, value) / limit.enough)
    weight = {"alarm": limit.weight, "warn": limit.weight / 2, "clean": -limit.clean}[level] * share
    at = signal.at[place] if place < len(signal.at) else None
    timed = level != "clean" and spec.kind != "captions"  # captions are what they are from the start
    since = _since(signal, limit, sign) if timed else None
    return Reading(signal, spec, limit, value, at, level, since, weight)


def judged_value(signal: Signal, spec: Spec) -> float:
    """The value that a signal is judged by."""
    return signal.values[_judged(signal, spec, -1.0 if spec.lower else 1.0)]


def _judged(signal: Signal, spec: Spec, sign: float) -> int:
    """The place of the value that counts."""
    order = sorted(range(len(signal.values)), key=lambda i: sign * signal.values[i])
    return {"peak": order[-1], "median": order[len(order) // 2]}.get(spec.judged, len(order) - 1)


def _behind(signal: Signal, limit: Limit, sign: float, value: float) -> int:
    """Images (or layers, rows) behind all values that lie on the same side of the warning as the one judged."""
    beyond = sign * value >= sign * limit.warn
    places = [i for i, each in enumerate(signal.values) if (sign * each >= sign * limit.warn) == beyond]
    return sum(signal.count(i) for i in places)


def _level(value: float, limit: Limit, sign: float) -> str:
    if sign * value >= sign * limit.alarm:
        return "alarm"
    return "warn" if sign * value >= sign * limit.warn else "clean"


def _since(signal: Signal, limit: Limit, sign: float) -> int | None:
    """The first step beyond the warning from which on three of four values are."""
    beyond = [sign * value >= sign * limit.warn for value in signal.values]
    if len(beyond) > 1 and signal.at and signal.at[0] == 0:
        beyond[0] = False  # the LoRA has done nothing yet: what is there at step 0 is the base model's
    for place, step in enumerate(signal.at):
        rest = beyond[place:]
        if rest and rest[0] and sum(rest) >= 0.75 * len(rest):
            return step
    return next((step for step, far in zip(signal.at, beyond) if far), None)
