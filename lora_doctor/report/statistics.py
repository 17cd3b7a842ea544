"""How many findings of each rule, most frequent first."""

from __future__ import annotations

from collections import Counter

from lora_doctor.report import Report
from lora_doctor.report.terminal import paint
from lora_doctor.report.text import summary


def render(report: Report) -> str:
    """`  12  error    unknown-key  A key this trainer does not read`, and the summary."""
    counted = Counter((each.rule.id, each.level, each.rule.title) for each in report.found)
    rows = sorted(counted.items(), key=lambda row: (-row[1], row[0]))
    digits = max((len(str(number)) for _, number in rows), default=0)
    longest = max((len(rule) for (rule, _, _), _ in rows), default=0)
    lines = [
        f"{number:>{digits}}  {paint(f'{level:<7}', level, report.colour)}  {rule:<{longest}}  {title}"
        for (rule, level, title), number in rows
    ]
    return "".join(f"{line}\n" for line in (*lines, *summary(report)))
