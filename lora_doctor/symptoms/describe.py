"""What `lora-doctor diagnose` says: thirty lines for people, everything for programs."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from lora_doctor.report.terminal import paint, printable
from lora_doctor.runs.facts import Sample
from lora_doctor.symptoms.course import Course, shown
from lora_doctor.symptoms.judge import Diagnosed
from lora_doctor.symptoms.signals import Reading
from lora_doctor.symptoms.verdict import ABSENT, PRESENT, UNKNOWN

SCHEMA_VERSION = 1
LINES = 30  # of the whole summary
MOST = 5  # symptoms told at length
WORDS = ((0.9, "near certain"), (0.75, "very likely"), (0.6, "likely"), (0.0, "possible"))


def likelihood(confidence: float) -> str:
    """A confidence in words."""
    return next(word for limit, word in WORDS if confidence >= limit)


def as_text(
    course: Course, diagnosed: Sequence[Diagnosed], seconds: float, *, width: int = 100, colour: bool = False
) -> str:
    """The summary: what was read, each symptom with evidence and fix, what is not there, what was not measured."""
    head = list(_head(course, seconds, colour))
    tail = list(_tail(course, diagnosed, width, colour))
    present = [each for each in diagnosed if each.verdict.state == PRESENT]
    room = LINES - len(head) - len(tail)
    body = _symptoms(course, present, room, width, colour)
    return "\n".join([*head, *body, *tail]) + "\n"


def _head(course: Course, seconds: float, colour: bool) -> Iterator[str]:
    run = course.run
    whose = run.trainer or "unknown trainer"
    yield paint(printable(f"{run.folder}"), "bold", colour) + f": {whose}, {course.family or 'unknown model'}"
    parts = [_count(len(run.checkpoints), "checkpoint"), _count(len(run.samples), "sample")]
    if run.steps:
        parts.append(f"{run.axis}s {run.steps[0]:,} to {run.steps[-1]:,}")
    parts += ["logs"] if run.curves else []
    going = ", still running" if run.running else ""
    yield f"  {', '.join(parts)}{going}; looked at in {seconds:.0f} s"


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' * (number != 1)}"


def _symptoms(course: Course, present: Sequence[Diagnosed], room: int, width: int, colour: bool) -> Iterator[str]:
    """As much about each as there is room for: the sentence, then evidence, then what to do."""
    told = present[:MOST]
    per = max(1, (room - (len(present) > len(told))) // max(1, len(told))) if told else 0
    for each in told:
        yield from _symptom(course, each, width, colour)[:per]
    if len(present) > len(told):
        more = ", ".join(each.rule.id for each in present[len(told) :])
        yield _cut(f"and {more}", width)


def _symptom(course: Course, each: Diagnosed, width: int, colour: bool) -> list[str]:
    verdict = each.verdict
    since = f", since {course.run.axis} {verdict.since:,}" if verdict.since is not None else ""
    tag = paint(f"{each.rule.level}[{each.rule.id}]", each.rule.level, colour)
    sure = f"{likelihood(verdict.confidence)}, {verdict.confidence:.0%}{since}"
    lines = [f"{tag} ({sure})", *_wrapped(verdict.message, width)[:2]]
    evidence = [_evidence(reading) for reading in verdict.evidence if reading.raised]
    lines += [_cut(f"    why: {printable('; '.join(evidence))}", width)] if evidence else []
    lines += [_cut(f"    do:  {printable(advice.text)}", width) for advice in verdict.advice[:3]]
    return lines


def _wrapped(text: str, width: int, indent: str = "  ") -> list[str]:
    # a rule's name or a path is one word, which people copy
    return textwrap.wrap(
        printable(text), width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else f"{line[: width - 3].rstrip()}..."


def _evidence(reading: Reading) -> str:
    """`samples that show a training picture again 40% (limit 5%, step 0: 0%)`."""
    unit = reading.spec.unit
    base = ""
    if reading.signal.against and reading.signal.baseline is not None:
        base = f", {reading.signal.against}: {shown(reading.signal.baseline, unit)}"
    return f"{reading.spec.title} {shown(reading.value, unit)} (limit {shown(reading.limit.warn, unit)}{base})"


def _tail(course: Course, diagnosed: Sequence[Diagnosed], width: int, colour: bool) -> Iterator[str]:
    absent = [each.rule.id for each in diagnosed if each.verdict.state == ABSENT]
    unknown = [each.rule.id for each in diagnosed if each.verdict.state == UNKNOWN]
    if not any(each.verdict.present for each in diagnosed):
        yield paint("no symptom found in what could be measured", "good" if not unknown else "bold", colour)
    if absent:
        yield from _listing("not there", absent, width)
    if unknown:
        yield from _listing("can't tell", unknown, width)
    if course.window is not None:
        yield from _wrapped(f"keep: {course.window.sentence}", width, "")[:2]
    for gap in course.run.gaps[:5]:
        yield _cut(f"not measured: {gap.what} (would tell: {gap.tells}); {gap.how}", width)
    if course.run.aside:
        names = [f"{aside.name} {aside.why}" for aside in course.run.aside]
        more = f"; and {len(names) - 1} more" if len(names) > 1 else ""
        yield _cut(printable(f"set aside: {names[0]}{more}"), width)


def _listing(head: str, names: Sequence[str], width: int) -> list[str]:
    return textwrap.wrap(f"{head}: {', '.join(names)}", width, subsequent_indent="  ", break_on_hyphens=False)[:3]


def as_data(course: Course, diagnosed: Sequence[Diagnosed]) -> dict[str, Any]:
    """Everything, for programs. Numbers that are none (NaN, infinity) become null."""
    run = course.run
    data = {
        "version": SCHEMA_VERSION,
        "run": {
            "folder": str(run.folder),
            "trainer": run.trainer or None,
            "family": course.family,
            "purpose": course.purpose,
            "axis": run.axis,
            "running": run.running,
            "config": run.plan.config.document.name if run.plan else None,
            "trigger": course.trigger or None,
            "checkpoints": [
                {"file": _name(run.folder, c.path), "step": c.step, "epoch": c.epoch} for c in run.checkpoints
            ],
            "samples": [{"file": _name(run.folder, s.path), **_told(s)} for s in run.samples],
            "set_aside": [aside._asdict() for aside in run.aside],
            "missing": [gap._asdict() for gap in run.gaps],
        },
        "verdicts": [_verdict(each) for each in diagnosed],
        "signals": {
            name: {
                "title": course.specs[name].title,
                "kind": course.specs[name].kind,
                "unit": course.specs[name].unit,
                **signal._asdict(),
            }
            for name, signal in sorted(course.signals.items())
        },
        "window": course.window._asdict() if course.window else None,
        "not_measured": dict(sorted(course.unmeasured.items())),
        "copies": [match._asdict() for match in course.likeness.matches] if course.likeness else [],
    }
    plain: dict[str, Any] = _plain(data)
    return plain


def _name(folder: Any, path: Any) -> str:
    return str(path.relative_to(folder).as_posix())


def _told(sample: Sample) -> dict[str, Any]:
    """What is known of a sample beside its file."""
    return {name: value for name, value in sample._asdict().items() if name not in ("path", "epoch")}


def _verdict(each: Diagnosed) -> dict[str, Any]:
    verdict = each.verdict
    return {
        "symptom": each.rule.id,
        "title": each.rule.title,
        "level": each.rule.level,
        "state": verdict.state,
        "confidence": round(verdict.confidence, 3),
        "since": verdict.since,
        "message": verdict.message,
        "evidence": [
            {
                "signal": reading.signal.name,
                "value": reading.value,
                "at": reading.at,
                "level": reading.level,
                "since": reading.since,
                "warn": reading.limit.warn,
                "alarm": reading.limit.alarm,
                "baseline": reading.signal.baseline,
                "against": reading.signal.against,
                "weight": round(reading.weight, 3),
                "provenance": reading.limit.provenance,
                "source": reading.limit.source,
            }
            for reading in verdict.evidence
        ],
        "advice": [advice._asdict() for advice in verdict.advice],
        "needs": list(verdict.needs),
        "about": list(verdict.about),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value
