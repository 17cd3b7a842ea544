"""The source text of a finding with carets under it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lora_doctor.finding import Place
from lora_doctor.report.mask import masked_line
from lora_doctor.report.places import shown_region
from lora_doctor.report.terminal import cut, laid_out, paint
from lora_doctor.source.document import Span

MAX_LINES = 4  # of one span; of a longer one the first lines are shown
LEAD = 24  # columns kept before a span in a line that is cut, where there is room
CUT = "..."


def snippet(place: Place, private: Iterable[Span], level: str, width: int, colour: bool) -> Iterator[str]:
    """Lines such as `12 | lr = 1e-3` and `   |      ^^^^`."""
    where = shown_region(place)
    last = last_line(place)
    gutter = len(str(last))
    bar = paint(f"{' ' * gutter} |", "dim", colour)
    yield bar
    for number in range(where.line, last + 1):
        line = masked_line(place.document, number, private)
        start = where.column - 1 if number == where.line else len(line) - len(line.lstrip())
        end = where.end_column - 1 if number == where.end_line else len(line.rstrip())
        shown, before, carets = _window(line, start, max(start, end), width - gutter - 3)
        yield f"{paint(f'{number:>{gutter}} |', 'dim', colour)} {shown}".rstrip()
        yield f"{bar} {' ' * before}{paint('^' * carets, level, colour)}"
    if last < where.end_line:
        yield f"{bar} {CUT}"


def last_line(place: Place) -> int:
    """The last line that is shown of a place."""
    where = shown_region(place)
    return min(where.end_line, where.line + MAX_LINES - 1)


def _window(line: str, start: int, end: int, width: int) -> tuple[str, int, int]:
    """The part of a line round a span of characters, the blanks before its carets and their number.

    A line that is too long is cut so that the span is seen whole, or from its start where it is too long itself.
    """
    text, columns = laid_out(line)
    start, end = min(start, len(line)), min(end, len(line))
    first, behind, total = columns[start], max(columns[end], columns[start] + 1), columns[-1]
    if total <= width:
        return text, first, behind - first
    room = width - 2 * len(CUT)
    left = max(first - LEAD, min(first, behind - room))
    left = min(left, total - width + len(CUT))
    left = 0 if left <= len(CUT) and behind <= width - len(CUT) else max(left, 0)
    before = CUT if left else ""
    right = left + width - len(before)
    if right < total:
        right -= len(CUT)
    after = CUT if right < total else ""
    return before + cut(text, left, right) + after, first - left + len(before), min(behind, right) - first
