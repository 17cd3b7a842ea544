"""What `lora-doctor calibrate` does: read the judged runs, measure them, fit limits, write them for diagnose."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from lora_doctor.cli.output import tell
from lora_doctor.dataset.arrays import need
from lora_doctor.selection import did_you_mean
from lora_doctor.settings import OWN_FILE, nearest_settings
from lora_doctor.source.document import SourceError
from lora_doctor.write import write_beside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lora_doctor.symptoms.calibrate import Fitted
    from lora_doctor.symptoms.judged import Judged

OTHERS = "others"
KEYS = ("folder", "present", "absent", "best", "config", "dataset", "purpose")


class Request(NamedTuple):
    """The command line."""

    labels: str
    base: str | None
    output: str
    dry_run: bool


class Label(NamedTuple):
    """What somebody says of a run: symptoms that are there or not, and the step of the checkpoint to keep."""

    folder: Path
    present: dict[str, bool]
    best: int | None = None
    config: Path | None = None
    dataset: Path | None = None
    purpose: str | None = None


def run(request: Request) -> int:
    """Read, measure, fit, write; returns the exit code."""
    need()
    from lora_doctor.adapter.extra import need as need_packages

    need_packages("numpy", "ml_dtypes")
    from lora_doctor.symptoms.calibrate import fit, lacking

    labels = read_labels(Path(request.labels))
    runs = [_measured(label, request.base) for label in labels]
    families = sorted({str(each.family) for each in runs})
    if len(families) > 1:
        raise SourceError(
            f"{request.labels}: runs of {' and '.join(families)}: limits are of one family, a file for each"
        )
    found = fit(runs, "calibrated", f"{len(runs)} runs of {Path(request.labels).name}")
    poor = lacking(runs)
    if not any(each.ill for each in found):
        why = next((f"{symptom}: {each}" for symptom, each in poor.items()), "no signal of theirs was measured")
        raise SourceError(f"{request.labels}: too little to set a limit by ({why})")
    _show(found, poor, runs, labels)
    if not request.dry_run:
        _write(Path(request.output), found, runs)
    return 0


def read_labels(path: Path) -> list[Label]:
    """The runs of a labels file.

    Raises:
        SourceError: it can't be read, or says something that means nothing.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SourceError(f"{path}: can't be read: {(error.strerror or str(error)).lower()}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: not valid TOML: {error}") from None
    rows = data.get("run")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows) or len(data) > 1:
        raise SourceError(f"{path}: wants a table `[[run]]` for each run, and nothing else")
    try:
        return [_label(row, path.parent) for row in rows]
    except SourceError as error:
        raise SourceError(f"{path}: {error.sentence}") from None


def _label(row: dict[str, Any], root: Path) -> Label:
    unknown = next((key for key in row if key not in KEYS), None)
    if unknown is not None:
        raise SourceError(f"`{unknown}` is no key of a run{did_you_mean(unknown, KEYS)}")
    folder, best = row.get("folder"), row.get("best")
    if not isinstance(folder, str) or not folder:
        raise SourceError("a run without its `folder`")
    if best is not None and (not isinstance(best, int) or isinstance(best, bool)):
        raise SourceError(f"{folder}: `best` wants the step of a checkpoint")
    present = _symptoms(row, "present")
    absent = _symptoms(row, "absent")
    if both := set(present) & set(absent):
        raise SourceError(f"{folder}: {both.pop()} can't be present and absent")
    config, dataset = (root / row[key] if isinstance(row.get(key), str) else None for key in ("config", "dataset"))
    told = {**dict.fromkeys(absent, False), **dict.fromkeys(present, True)}
    if not told:
        raise SourceError(f"{folder}: neither `present` nor `absent` names a symptom")
    return Label(root / folder, told, best, config, dataset, row.get("purpose"))


def _symptoms(row: dict[str, Any], key: str) -> tuple[str, ...]:
    """Symptoms of one list; `others` are all that the other list does not name."""
    from lora_doctor.rule import load_topic

    known = tuple(rule.id for rule in load_topic("symptoms"))
    given = row.get(key, [])
    if given == OTHERS:
        named = row.get("present" if key == "absent" else "absent", [])
        return tuple(name for name in known if not isinstance(named, list) or name not in named)
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise SourceError(f'{row["folder"]}: `{key}` wants a list of symptoms, or "{OTHERS}"')
    for each in given:
        if each not in known:
            raise SourceError(f"{row['folder']}: `{each}` is no symptom{did_you_mean(each, known)}")
    return tuple(given)


def _measured(label: Label, base: str | None) -> Judged:
    from lora_doctor.runs.read import read_run
    from lora_doctor.symptoms.judged import of_course
    from lora_doctor.symptoms.measure import examine

    found = read_run(label.folder, config=label.config, dataset=label.dataset)
    rows = None
    if base is not None:
        from lora_doctor.cli.asking import ask

        found, rows = ask(found, base, held_out=None, minutes=None, keep=True, tell=None)
    course = examine(found, purpose=label.purpose, rows=rows)
    usable = None if label.best is None else (label.best,)
    return of_course(str(label.folder), course, label.present, usable)


def _show(found: Sequence[Fitted], poor: dict[str, str], runs: Sequence[Judged], labels: Sequence[Label]) -> None:
    """Every limit with what it did, what there is none for, and how often the pick agrees."""
    from lora_doctor.symptoms.calibrate import USEFUL
    from lora_doctor.symptoms.signals import specs

    for each in sorted(found, key=lambda each: (each.symptom, -each.gain)):
        side = "below" if specs()[each.signal].lower else "above"
        did = f"{each.hits} of {each.ill} runs with it, {each.false} of {each.well} without"
        what = f"{each.signal} {side} {each.limit.alarm:g}"
        if not each.ill:
            did = f"moved beyond {each.well} runs without it"
        elif each.gain < USEFUL:
            what = f"{each.signal} tells nothing"
        click.echo(f"{each.symptom}: {what} ({did})")
    seen = [symptom for symptom in poor if any(run.present.get(symptom) for run in runs)]
    for symptom in seen:
        click.echo(f"{symptom}: no limit of your own ({poor[symptom]})")
    if len(poor) > len(seen):
        click.echo(f"{len(poor) - len(seen)} symptoms that no run has keep their limits")
    picks = [(run.pick, label.best) for run, label in zip(runs, labels, strict=True) if label.best and run.pick]
    if picks:
        click.echo(f"the checkpoint to keep: yours in {sum(a == b for a, b in picks)} of {len(picks)} runs")


def _write(path: Path, found: Sequence[Fitted], runs: Sequence[Judged]) -> None:
    """The table, and the setting that names it where there are no settings yet."""
    from lora_doctor.symptoms.calibrate import as_limits

    family = runs[0].family
    purposes = sorted({str(each.purpose) for each in runs if each.purpose})
    name = f"micro {family}" if runs[0].micro else family
    ends = [f"@{purpose}" for purpose in purposes]
    keys = ("any", *ends) if name is None else (name, *(name + end for end in ends))
    table = {"version": 1, "runs": len(runs), "limits": as_limits(found, keys)}
    write_beside(path, (json.dumps(table, indent=1) + "\n").encode())
    tell(f"{path}: limits of {len(found)} signals, from {len(runs)} runs")
    settings = nearest_settings(os.path.abspath(path.parent))
    if settings.limits is not None and settings.limits.absolute() == path.absolute():
        return
    line = f"limits = {json.dumps(os.path.relpath(path, settings.root or '.').replace(os.sep, '/'))}"
    if settings.file:
        tell(f"add to {settings.file}, and diagnose judges by them: {line}")
        return
    own = path.parent / OWN_FILE
    write_beside(own, f"limits = {json.dumps(path.name)}\n".encode())
    tell(f"{own}: names them, so that diagnose judges by them")
