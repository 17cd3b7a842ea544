"""Limits from runs whose symptoms are known: for each signal the value that tells the most ill runs from the others.

A signal is fitted for a symptom whose rule looks at it first (its main signals). The limit lies where recall less
twice the share of false accusations is largest, in the middle of the gap between two runs, and never where it accuses a
run without any symptom. Its weight is the likelihood ratio that was seen, with half a run added to each count
(Jeffreys), so that few runs never make a weight large. Of each kind of evidence the best signal counts whole, if it
accuses few; others can't accuse alone, since they err on the same runs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from lora_doctor.source.document import SourceError
from lora_doctor.symptoms.judge import judge
from lora_doctor.symptoms.judged import Judged, verdicts
from lora_doctor.symptoms.signals import Limit, Signal, Spec, judged_value, specs

FEWEST = 3  # runs with a symptom, and without any, that a limit takes
WRONG = 2.0  # false accusations by which recall is paid for: of several signals that can accuse, each adds its own
RARE = 0.06  # share of runs without a symptom that a signal may raise and still accuse alone
USEFUL = 0.3  # recall less false accusations below which a signal tells nothing of a symptom
MOST, ALONE, BESIDE = 1.5, 0.9, 0.6  # weights: the most there is, what accuses alone, and what can't
COUNTED = ("anatomy-at-risk",)  # a note, since no body is measured, and yet one of the symptoms that are looked for
SILENT = 0.01  # weight of a signal that told nothing


class Fitted(NamedTuple):
    """A limit and what it did on the runs it was fitted to: `hits` of `ill` runs, `false` of `well` ones."""

    signal: str
    symptom: str
    limit: Limit
    hits: int
    ill: int
    false: int
    well: int

    @property
    def gain(self) -> float:
        """Recall less the share of false accusations; 0 where no run has the symptom."""
        return self.hits / self.ill - self.false / self.well if self.ill else 0.0


def fit(
    runs: Sequence[Judged], provenance: str, source: str, table: Mapping[str, Spec] | None = None
) -> tuple[Fitted, ...]:
    """Limits for every symptom that enough of the runs have; a signal goes to the symptom it tells best.

    Where too few have it, a limit that accuses runs without it is moved beyond them, and nothing else is changed.
    """
    judged = _Evidence(runs, specs() if table is None else table, provenance, source)
    mains = looked_at(runs, judged.table)
    found: dict[str, Fitted] = {}
    for symptom, name in ((symptom, name) for symptom, names in mains.items() for name in names):
        each = _fitted(symptom, name, judged)
        if each is not None and (name not in found or each.gain > found[name].gain):
            found[name] = each
    moved = {
        name: each
        for symptom, names in mains.items()
        for name in names
        if name not in found and (each := _moved(symptom, name, judged)) is not None
    }
    return (*_ranked(list(found.values()), judged.table), *moved.values())


def looked_at(runs: Sequence[Judged], table: Mapping[str, Spec]) -> dict[str, tuple[str, ...]]:
    """The main signals of every symptom that was judged."""
    told = {symptom for run in runs for symptom in run.present}
    return {symptom: verdict.main for symptom, verdict in verdicts(runs[0], table).items() if symptom in told}


def lacking(runs: Sequence[Judged]) -> dict[str, str]:
    """Symptoms that no limit can be fitted for, those that most runs have first, and why."""
    judged = {symptom for run in runs for symptom in run.present}
    counts = {
        symptom: [sum(run.present.get(symptom) is there for run in runs) for there in (True, False)]
        for symptom in sorted(judged)
    }
    return {
        symptom: f"{ill} run{'s' * (ill != 1)} with it and {well} without; {FEWEST} of each are the fewest"
        for symptom, (ill, well) in sorted(counts.items(), key=lambda pair: -pair[1][0])
        if min(ill, well) < FEWEST
    }


class _Evidence(NamedTuple):
    """Judged runs, the signals they are measured by, and what a limit made of them says of its origin."""

    runs: Sequence[Judged]
    table: Mapping[str, Spec]
    provenance: str
    source: str

    def measured(self, spec: Spec, keep: Callable[[Judged], bool | None]) -> list[float]:
        """A signal's value in each run of these that has it."""
        values = [_value(run, spec) for run in self.runs if keep(run)]
        return [value for value in values if value is not None]


def _fitted(symptom: str, name: str, judged: _Evidence) -> Fitted | None:
    """The limit of a signal that tells a symptom best; None where too few runs have it."""
    spec = judged.table[name]
    ill = judged.measured(spec, lambda run: run.present.get(symptom))
    well = judged.measured(spec, lambda run: run.present.get(symptom) is False)
    certain = spec.limits and all(limit.provenance == "certain" for limit in spec.limits.values())
    if certain or min(len(ill), len(well)) < FEWEST:
        return None
    sign = -1.0 if spec.lower else 1.0
    healthy = judged.measured(spec, lambda run: run.healthy and run.present.get(symptom) is False)
    at = _threshold(*([sign * value for value in each] for each in (ill, well, healthy)))
    hits, false = (sum(sign * value >= at for value in each) for each in (ill, well))
    limit = Limit(
        warn=_round(sign * at),  # below, nothing is known to be wrong
        alarm=_round(sign * at),
        weight=round(min(MOST, max(SILENT, _ratio(hits, len(ill), false, len(well)))), 2),
        clean=round(min(MOST, max(0.0, -_ratio(len(ill) - hits, len(ill), len(well) - false, len(well)))), 2),
        enough=_enough(symptom, spec, judged),
        provenance=judged.provenance,
        source=f"{judged.source}: {hits} of {len(ill)} runs with {symptom}, {false} of {len(well)} without",
    )
    return Fitted(name, symptom, limit, hits, len(ill), false, len(well))


def _enough(symptom: str, spec: Spec, judged: _Evidence) -> int:
    """How many measurements a value should rest on: what the runs with the symptom had, the usual number at most."""
    ill = [run for run in judged.runs if run.present.get(symptom) and _value(run, spec) is not None]
    usual = next(iter(spec.limits.values()), Limit(0, 0))
    return max(1, min(usual.enough, int(median(_behind(run.signals[spec.name], spec) for run in ill))))


def _moved(symptom: str, name: str, judged: _Evidence) -> Fitted | None:
    """A limit that runs without the symptom cross, moved beyond all of them by a tenth of where they reach."""
    spec, usual = judged.table[name], judged.runs[0].course(judged.table).limit(name)
    well = judged.measured(spec, lambda run: run.present.get(symptom) is False)
    if usual is None or usual.provenance == "certain" or len(well) < FEWEST:
        return None
    sign = -1.0 if spec.lower else 1.0
    worst = max(sign * value for value in well)
    if worst < sign * usual.warn:
        return None
    warn = worst + 0.1 * abs(worst) + 1e-6
    alarm = sign * _further(sign * warn, usual)
    told = f"{judged.source}: beyond {len(well)} runs without {symptom}; too few have it"
    provenance = judged.provenance
    limit = usual._replace(warn=_round(sign * warn), alarm=_round(sign * alarm), provenance=provenance, source=told)
    return Fitted(name, symptom, limit, 0, 0, 0, len(well))


def _further(warn: float, usual: Limit) -> float:
    """The alarm that goes with a warning: as many times as far, or as much further where one is 0."""
    if usual.warn and usual.alarm / usual.warn > 0:
        return warn * usual.alarm / usual.warn
    return warn + usual.alarm - usual.warn


def _value(run: Judged, spec: Spec) -> float | None:
    signal = run.signals.get(spec.name)
    return judged_value(signal, spec) if signal is not None and signal.values else None


def _behind(signal: Signal, spec: Spec) -> int:
    return sum(signal.count(place) for place in range(len(signal.values)))


def _threshold(ill: Sequence[float], well: Sequence[float], healthy: Sequence[float]) -> float:
    """Where recall less `WRONG` times false accusations is largest, above every healthy run; larger is worse."""
    values = sorted({*ill, *well})
    floor = max(healthy, default=-math.inf)
    middles = [(a + b) / 2 for a, b in pairwise(values)]
    possible = [middle for middle in middles if middle > floor] or [values[-1] + abs(values[-1]) * 0.1 + 1e-9]

    def gain(at: float) -> float:
        return sum(v >= at for v in ill) / len(ill) - WRONG * sum(v >= at for v in well) / len(well)

    return max(possible, key=lambda at: (round(gain(at), 6), at))


def _ratio(hits: int, ill: int, false: int, well: int) -> float:
    """log10 of the likelihood ratio."""
    return math.log10(((hits + 0.5) / (ill + 1)) / ((false + 0.5) / (well + 1)))


def _round(value: float) -> float:
    return float(f"{value:.3g}")


def _ranked(found: Sequence[Fitted], table: Mapping[str, Spec]) -> Iterator[Fitted]:
    """The best of each kind of evidence for a symptom counts whole, the others beside it, the useless hardly."""
    best: dict[tuple[str, str], Fitted] = {}
    for each in found:
        key = each.symptom, table[each.signal].kind
        if key not in best or each.gain > best[key].gain:
            best[key] = each
    for each in found:
        limit = each.limit
        if each.gain < USEFUL:
            limit = limit._replace(weight=SILENT, clean=0.0)
        elif best[each.symptom, table[each.signal].kind] is each and each.false <= RARE * each.well:
            limit = limit._replace(weight=max(ALONE, limit.weight))
        else:
            limit = limit._replace(weight=min(BESIDE, limit.weight), clean=min(0.2, limit.clean))
        yield each._replace(limit=limit)


def as_limits(found: Sequence[Fitted], keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Limits by signal and by key (family, `micro family`, `family@purpose`), as they stand in a table."""
    return {each.signal: {key: dict(each.limit._asdict()) for key in keys} for each in sorted(found)}


def overlaid(limits: Mapping[str, Mapping[str, Any]], table: Mapping[str, Spec] | None = None) -> dict[str, Spec]:
    """The table of signals with these limits before its own.

    Raises:
        KeyError: there is no such signal.
        TypeError: a limit has other fields than `Limit`.
    """
    found = dict(specs() if table is None else table)
    for name, rows in limits.items():
        own = {key: Limit(**row) for key, row in rows.items()}
        found[name] = found[name]._replace(limits={**found[name].limits, **own})
    return found


def read_limits(path: Path) -> dict[str, Spec]:
    """The table of signals with the limits of a file that `lora-doctor calibrate` wrote.

    Raises:
        SourceError: it can't be read, or is no such file.
    """
    try:
        data = json.loads(path.read_bytes())
        return overlaid(data["limits"])
    except OSError as error:
        raise SourceError(f"{path}: can't be read: {(error.strerror or str(error)).lower()}") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise SourceError(f"{path}: holds no limits of `lora-doctor calibrate`") from None


class Score(NamedTuple):
    """Of one symptom: runs that have it (found, missed, left open) and runs without it (accused, of how many)."""

    found: int
    missed: int
    open: int
    accused: int
    well: int

    @property
    def ill(self) -> int:
        """Runs that have it."""
        return self.found + self.missed + self.open


def scores(runs: Sequence[Judged], table: Mapping[str, Spec] | None = None) -> dict[str, Score]:
    """How right the verdicts are, by symptom."""
    counts: dict[str, list[int]] = {}
    for run in runs:
        said = verdicts(run, table)
        for symptom, there in run.present.items():
            row = counts.setdefault(symptom, [0] * 5)
            state = said[symptom].state if symptom in said else "can't tell"
            if there:
                row[{"present": 0, "absent": 1}.get(state, 2)] += 1
            else:
                row[3] += state == "present"
                row[4] += 1
    return {symptom: Score(*row) for symptom, row in sorted(counts.items())}


def accused(run: Judged, table: Mapping[str, Spec] | None = None) -> list[str]:
    """Symptoms that the doctor finds and that count against a run: all but notes, and the risk of anatomy."""
    said = judge(run.course(table))[0]
    return [e.rule.id for e in said if e.verdict.present and (e.rule.level != "note" or e.rule.id in COUNTED)]


def wrongly(run: Judged, judged: Collection[str], table: Mapping[str, Spec] | None = None) -> list[str]:
    """What a run is accused of that is not there. judged: symptoms that truth is told of at all: one of them that a run
    does not tell of is left open there, and counts on neither side.
    """
    return [name for name in accused(run, table) if not run.present.get(name, name in judged)]
