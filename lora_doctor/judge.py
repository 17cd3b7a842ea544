"""Rules look at plans."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from lora_doctor.dialects.reader import Problem
from lora_doctor.plan import Plan
from lora_doctor.result import Found, Options, Result
from lora_doctor.rule import Rule, rules_for
from lora_doctor.selection import ALL, Selection
from lora_doctor.source.document import Document
from lora_doctor.suppress import Suppression, suppressing, suppressions


def judge(
    facts: Iterable[tuple[Plan, Any]], name: str, selection: Selection = ALL
) -> tuple[tuple[Found, ...], tuple[Problem, ...]]:
    """Every rule that looks at these facts and speaks of the plan each belongs to.

    A rule that fails is a problem of its own and stops nothing.
    """
    found: dict[tuple[str, str, tuple[int, int], str], Found] = {}
    problems: list[Problem] = []
    for plan, fact in facts:
        for rule in rules_for([plan.trainer], [plan.model.family], fact=type(fact).__name__):
            if not rule.speaks_of(plan.trainer, plan.model.family) or not selection.runs(rule, plan.trainer):
                continue
            for each in run_rule(rule, fact, plan.trainer, name, problems):
                place = each.finding.place
                found.setdefault((rule.id, place.document.name, place.span, each.finding.key), each)
    return tuple(found.values()), tuple(problems)


def run_rule(rule: Rule, fact: Any, trainer: str, name: str, problems: list[Problem]) -> list[Found]:
    """What one rule finds in one record of facts."""
    try:
        return [Found(rule, finding, trainer) for finding in rule.check(fact)]
    except Exception as error:  # a rule is wrong, not the user's file: say which, go on with the others
        problems.append(unexpected(name, f"the rule `{rule.id}`", error))
        return []


def unexpected(name: str, what: str, error: Exception) -> Problem:
    """The problem that stands for a fault of lora-doctor's own; LORA_DOCTOR_DEBUG shows its traceback.

    A number beyond all floats is the file's fault: nobody trains with it.
    """
    if isinstance(error, OverflowError):
        return Problem(name, "holds a number too large to work with")
    if os.environ.get("LORA_DOCTOR_DEBUG"):
        import traceback

        traceback.print_exception(error)
    return Problem(name, f"{what} failed ({type(error).__name__}: {error}); please report it")


def suppress(found: Iterable[Found], documents: Iterable[Document], options: Options) -> Result:
    """The findings that are to be shown, those a comment answers for, and those the project's settings ignore."""
    candidates = [each for document in documents for each in suppressions(document)]
    kept: list[Found] = []
    suppressed: list[tuple[Found, Suppression]] = []
    ignored: list[Found] = []
    for each in found:
        by = suppressing(each.finding.place, (each.rule.id, *each.rule.aliases), candidates) if candidates else None
        if by is not None:
            suppressed.append((each, by))
        elif options.selection.shows(each.rule, each.level):
            hidden = options.settings is not None and options.settings.ignores(each)
            (ignored if hidden else kept).append(each)
    return Result(found=tuple(kept), suppressed=tuple(suppressed), ignored=tuple(ignored))
