"""One line per finding."""

from __future__ import annotations

from lora_doctor.report import Report
from lora_doctor.report.mask import without_tokens
from lora_doctor.report.terminal import printable
from lora_doctor.report.text import heading, summary
from lora_doctor.result import Found


def render(report: Report) -> str:
    """`train.toml:12:6: error[rule] [fix] sentence`, and the summary."""
    lines = [_line(each, report) for each in report.found]
    return "".join(f"{line}\n" for line in (*lines, *summary(report)))


def _line(each: Found, report: Report) -> str:
    fix = each.finding.fix
    mark = "" if fix is None else " [fix]" if fix.safe else " [unsafe fix]"
    return f"{heading(each, report)}{mark} {printable(without_tokens(each.finding.sentence))}"
