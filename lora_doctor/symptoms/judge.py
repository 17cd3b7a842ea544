"""Rules on symptoms look at a run's course; each yields one verdict."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from lora_doctor.dialects.reader import Problem
from lora_doctor.judge import unexpected
from lora_doctor.rule import Rule, load_topic, topics
from lora_doctor.selection import ALL, Selection
from lora_doctor.symptoms.course import Course
from lora_doctor.symptoms.verdict import UNKNOWN, Verdict

TOPIC = "symptoms"
ORDER = {"present": 0, UNKNOWN: 1, "absent": 2}
LEVELS = ("error", "warning", "note")


class Diagnosed(NamedTuple):
    """A verdict with the rule that gave it."""

    rule: Rule
    verdict: Verdict


def judge(course: Course, selection: Selection = ALL) -> tuple[tuple[Diagnosed, ...], tuple[Problem, ...]]:
    """Every rule's verdict: what is there first, the worst and surest before the rest. A rule that fails is told."""
    found: list[Diagnosed] = []
    problems: list[Problem] = []
    for rule in load_topic(TOPIC) if TOPIC in topics() else ():
        if not rule.speaks_of(course.run.trainer, course.family) or not selection.runs(rule, course.run.trainer):
            continue
        try:
            verdicts: Iterable[Verdict] = rule.check(course)
            found += [Diagnosed(rule, verdict) for verdict in verdicts]
        except Exception as error:  # a rule is wrong, not the user's run
            problems.append(unexpected(str(course.run.folder), f"the rule `{rule.id}`", error))
    return tuple(sorted(found, key=_order)), tuple(problems)


def _order(each: Diagnosed) -> tuple[int, int, float]:
    return ORDER[each.verdict.state], LEVELS.index(each.rule.level), -each.verdict.confidence
