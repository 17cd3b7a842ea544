"""The report that people read: every finding with its source text, the way out, and a summary."""

from __future__ import annotations

from collections.abc import Iterator

from lora_doctor.report import Report, fixable, many
from lora_doctor.report.mask import private_spans, without_tokens
from lora_doctor.report.places import is_folder, shown_name, shown_region
from lora_doctor.report.snippet import last_line, snippet
from lora_doctor.report.terminal import paint, printable
from lora_doctor.result import Found
from lora_doctor.source.document import Span

MAX_MISSING = 4  # names listed of what is not on this machine
MAX_NAME = 48  # characters of each


def render(report: Report) -> str:
    """All findings and the summary."""
    private = private_spans(report.found)
    parts = ["\n".join(_finding(each, private, report)) + "\n\n" for each in report.found]
    return "".join(parts) + "".join(f"{line}\n" for line in summary(report))


def heading(each: Found, report: Report) -> str:
    """`train.toml:12:6: error[learning-rate-left-at-default]`."""
    place = each.finding.place
    where = shown_region(place)
    lines = "" if is_folder(place.document) else f"{where.line}:{where.column}:"
    name = paint(f"{printable(shown_name(place.document.name))}:{lines}", "bold", report.colour)
    return f"{name} {paint(f'{each.level}[{each.rule.id}]', each.level, report.colour)}"


def _finding(each: Found, private: dict[int, list[Span]], report: Report) -> Iterator[str]:
    finding, document = each.finding, each.finding.place.document
    yield f"{heading(each, report)} {_plain(finding.message)}"
    if not is_folder(document):
        yield from snippet(finding.place, private.get(id(document), ()), each.level, report.width, report.colour)
    indent = " " * (len(str(last_line(finding.place))) + 1)

    def remark(word: str, text: str) -> str:
        return f"{indent}{paint(f'= {word}:', 'bold', report.colour)} {_plain(text)}"

    if finding.action:
        yield remark("help", finding.action)
    if finding.fix:
        option = "--fix" if finding.fix.safe else "--fix --unsafe-fixes"
        yield remark("fix", f"{finding.fix.description} ({option})")
    for related in finding.related:
        place, where = related.place, shown_region(related.place)
        yield remark("see", f"{shown_name(place.document.name)}:{where.line}:{where.column}: {related.message}")
        yield from snippet(place, private.get(id(place.document), ()), "note", report.width, report.colour)


def _plain(text: str) -> str:
    return printable(without_tokens(text))


def summary(report: Report) -> Iterator[str]:
    """What was found, what can be fixed, what was left aside, and what could not be looked at."""
    if report.fixed:
        yield paint(f"{report.fixed} fix{'es' * (report.fixed > 1)} applied", "good", report.colour)
    yield _counts(report) + _aside(report)
    missing = list(dict.fromkeys(name for file in report.files for name in file.missing))
    if missing:
        more = f" and {len(missing) - MAX_MISSING} more" if len(missing) > MAX_MISSING else ""
        names = ", ".join(_plain(_tail(name)) for name in missing[:MAX_MISSING])
        yield paint(f"not on this machine, so not looked into: {names}{more}", "dim", report.colour)
    if report.found:
        yield paint("`lora-doctor explain RULE` tells why", "dim", report.colour)


def _tail(name: str) -> str:
    return name if len(name) <= MAX_NAME else f"...{name[3 - MAX_NAME :]}"


def _counts(report: Report) -> str:
    if not report.found:
        checked = f"{many(len(report.files), _word(report))} checked"
        if report.files:
            return f"{checked}: nothing found"
        return "nothing could be checked" if report.failed else "no training config found"
    levels = ", ".join(
        paint(many(number, level), level, report.colour) for level, number in report.counts().items() if number
    )
    files = {shown_name(each.finding.place.document.name) for each in report.found}
    text = f"{levels} in {many(len(files), _word(report))}"
    safe, unsafe = fixable(report)
    if safe:
        text += f"; {safe} can be fixed with --fix"
    if unsafe:
        text += f", {unsafe} more with --unsafe-fixes" if safe else f"; {unsafe} can be fixed with --unsafe-fixes"
    return text


def _word(report: Report) -> str:
    return "folder" if report.files and all(is_folder(file.document) for file in report.files) else "file"


def _aside(report: Report) -> str:
    parts = [f"{report.suppressed} suppressed"] if report.suppressed else []
    parts += [f"{report.known} in the baseline"] if report.known else []
    return f" ({', '.join(parts)})" if parts else ""
