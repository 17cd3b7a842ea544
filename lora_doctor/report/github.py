"""GitHub workflow commands, errors first (ten of a kind are shown per step), and a table for the job's summary.

Source: actions/toolkit docs/problem-matchers.md (limits) and packages/core/src/command.ts (escapes).
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from lora_doctor.report import Report
from lora_doctor.report.mask import without_tokens
from lora_doctor.report.places import repository_path, shown_name, shown_region
from lora_doctor.report.terminal import printable
from lora_doctor.report.text import summary
from lora_doctor.result import Found
from lora_doctor.rule import LEVELS

_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def render(report: Report) -> str:
    """Annotations; the table is appended to the file that GITHUB_STEP_SUMMARY names."""
    found = sorted(report.found, key=lambda each: LEVELS.index(each.level))
    table = os.environ.get("GITHUB_STEP_SUMMARY")
    if table:
        with open(table, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(_table(found, report))
    return "".join(f"{_annotation(each)}\n" for each in found)


def _annotation(each: Found) -> str:
    place = each.finding.place
    where = shown_region(place)
    properties = {
        "file": repository_path(place.document.name) or place.document.name,
        "line": where.line,
        "col": where.column,
        "title": f"lora-doctor: {each.rule.id}",
    }
    if where.end_line == where.line:  # a span over several lines breaks the rendering
        properties |= {"endLine": where.line, "endColumn": where.end_column}
    listed = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items())
    return f"::{_COMMANDS[each.level]} {listed}::{_data(without_tokens(each.finding.sentence))}"


def _data(text: str) -> str:
    return printable(text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A"))


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _table(found: Iterable[Found], report: Report) -> str:
    rows = "".join(f"{_row(each)}\n" for each in found)
    head = "| level | place | rule | finding |\n| --- | --- | --- | --- |\n" if rows else ""
    first = next(iter(summary(report._replace(colour=False, fixed=0))))
    return f"### lora-doctor\n\n{head}{rows}\n{_cell(first)}\n\n"


def _row(each: Found) -> str:
    sentence = _cell(without_tokens(each.finding.sentence))
    return f"| {each.level} | {_cell(_where(each))} | `{each.rule.id}` | {sentence} |"


def _where(each: Found) -> str:
    place = each.finding.place
    name = repository_path(place.document.name) or shown_name(place.document.name)
    return f"{name}:{shown_region(place).line}"


def _cell(text: str) -> str:
    for mark, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "\\|"), ("\r", " "), ("\n", " ")):
        text = text.replace(mark, escaped)
    return text
