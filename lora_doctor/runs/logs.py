"""Logs as curves: TensorBoard's event files, JSON lines, and the SQLite file of ai-toolkit."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lora_doctor.runs.events import read_events
from lora_doctor.runs.facts import Aside, Curve, Files

STEP_WORDS = ("step", "global_step", "_step", "steps")


def is_events(name: str) -> bool:
    """Whether a name is that of an event file."""
    return "events.out.tfevents." in name.rpartition("/")[2]


def read_logs(files: Files, names: Iterable[str]) -> tuple[list[Curve], list[Aside]]:
    """The curves of all logs, equal tags of several files one after the other; logs that can't be read are told."""
    found: dict[str, list[Curve]] = {}
    aside: list[Aside] = []
    for name in names:
        try:
            curves = _reader(name)(files.path(name))
        except (OSError, sqlite3.Error, ValueError, RecursionError) as error:
            why = str(error).partition("\n")[0] or type(error).__name__
            aside.append(Aside(name, f"can't be read as a log: {why}"))
            continue
        for curve in curves:
            found.setdefault(curve.name, []).append(curve)
    return [_joined(parts) for parts in found.values()], aside


def _reader(name: str) -> Callable[[Path], list[Curve]]:
    if is_events(name):
        return read_events
    return read_sqlite if name.endswith((".db", ".sqlite")) else read_jsonl


def _joined(parts: list[Curve]) -> Curve:
    """Curves of one tag, in the order they were begun."""
    ordered = sorted(parts, key=lambda curve: curve.times[0] if curve.times else 0.0)
    timed = all(curve.times for curve in ordered)
    return Curve(
        parts[0].name,
        tuple(step for curve in ordered for step in curve.steps),
        tuple(value for curve in ordered for value in curve.values),
        tuple(time for curve in ordered for time in curve.times) if timed else (),
        ", ".join(dict.fromkeys(curve.source for curve in ordered)),
    )


def read_jsonl(path: Path) -> list[Curve]:
    """One record a line: `{"step": 10, "loss": 0.1}`, numbers also in tables. A line that is cut off ends nothing."""
    points: dict[str, tuple[list[int], list[float]]] = {}
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            record = _record(line)
            step = next((record[word] for word in STEP_WORDS if isinstance(record.get(word), int)), None)
            if step is None:
                continue
            for name, value in _numbers(record, f"{record['monitor']}/" if "monitor" in record else ""):
                steps, values = points.setdefault(name, ([], []))
                steps.append(step)
                values.append(value)
    return [Curve(name, tuple(steps), tuple(values), (), path.name) for name, (steps, values) in points.items()]


def _record(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _numbers(record: dict[str, Any], above: str = "") -> Iterator[tuple[str, float]]:
    """Every number with the words above it; the table `metrics` only holds them together."""
    for key, value in record.items():
        if isinstance(value, bool) or key in (*STEP_WORDS, "schema_version", "timestamp"):
            continue
        if isinstance(value, (int, float)):
            yield above + key, float(value)
        elif value is None and key.rpartition("/")[2] == "loss":
            yield above + key, math.nan  # JSON has no NaN: writers put null
        elif isinstance(value, dict):
            yield from _numbers(value, above if key == "metrics" else f"{above}{key}/")


def read_sqlite(path: Path) -> list[Curve]:
    """ai-toolkit's `loss_log.db` (ostris/ai-toolkit, toolkit/logging_aitk.py): tables `steps` and `metrics`.

    SQLite has no NaN: one that was logged lies there as nothing, with no text either.
    """
    query = (
        "SELECT metrics.key, metrics.step, metrics.value_real, steps.wall_time FROM metrics"
        " LEFT JOIN steps ON steps.step = metrics.step WHERE metrics.value_text IS NULL"
        " ORDER BY metrics.key, metrics.step"
    )
    rows: dict[str, list[tuple[int, float, float]]] = {}
    with closing(_opened(path)) as base:
        for key, step, value, time in base.execute(query):
            if value is not None or "loss" in key:
                number = math.nan if value is None else float(value)
                rows.setdefault(key, []).append((int(step), number, math.nan if time is None else float(time)))
    return [_curve(key, found, path.name) for key, found in rows.items()]


def _opened(path: Path) -> sqlite3.Connection:
    """The file, to be read only; where its folder can't be written to, without the trainer's unfinished writes."""
    where = f"file:{quote(str(path.absolute()))}"
    base = sqlite3.connect(f"{where}?mode=ro", uri=True, timeout=5)
    try:
        base.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        base.close()
        return sqlite3.connect(f"{where}?mode=ro&immutable=1", uri=True, timeout=5)
    except sqlite3.Error:
        base.close()
        raise
    return base


def _curve(key: str, rows: list[tuple[int, float, float]], source: str) -> Curve:
    steps, values, times = zip(*rows)
    return Curve(key, steps, values, () if any(map(math.isnan, times)) else times, source)
