"""Findings become text, JSON, SARIF or annotations. Reporters decide nothing: what is in a `Report` is shown."""

from __future__ import annotations

import importlib
from collections import Counter
from typing import NamedTuple

from lora_doctor.result import File, Found
from lora_doctor.rule import LEVELS

FORMATS = ("text", "concise", "json", "sarif", "github")


class Report(NamedTuple):
    """What one run has to show."""

    files: tuple[File, ...] = ()
    found: tuple[Found, ...] = ()
    suppressed: int = 0  # findings a comment answers for
    known: int = 0  # findings that stand in the baseline
    fixed: int = 0  # fixes written before these findings were made
    failed: int = 0  # files that could not be worked on; the sentences are not the reporter's to print
    width: int = 120  # columns to fill, for people only
    colour: bool = False

    def counts(self) -> dict[str, int]:
        """How many findings of each level, worst first."""
        levels = Counter(each.level for each in self.found)
        return {level: levels[level] for level in LEVELS}


def render(report: Report, form: str) -> str:
    """The report in one of `FORMATS`, ending in a line break (or empty)."""
    text: str = importlib.import_module(f"lora_doctor.report.{form}").render(report)
    return text


def fixable(report: Report) -> tuple[int, int]:
    """How many findings have a safe fix, and how many an unsafe one."""
    fixes = [each.finding.fix for each in report.found if each.finding.fix is not None]
    safe = sum(fix.safe for fix in fixes)
    return safe, len(fixes) - safe


def many(number: int, word: str) -> str:
    """`1 error`, `2 errors`."""
    return f"{number:,} {word}{'s' * (number != 1)}"
