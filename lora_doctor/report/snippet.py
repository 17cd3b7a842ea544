"""The source text of a finding with carets under it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lora_doctor.finding import Place
from lora_doctor.report.mask import masked_line
from lora_doctor.report.places import shown_region
from lora_doctor.report.terminal import cut, laid_out, paint
from lora_doctor.source.document import Span

MAX_LINES = 4  # of one span; of a longer one the first lines are shown
MAX_CARETS = 80  # columns
LEAD = 24  # columns kept before a span in a line that is cut


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
        yield f"{bar} ..."


def last_line(place: Place) -> int:
    """The last line that is shown of a place."""
    where = shown_region(place)
    return min(where.end_line, where.line + MAX_LINES - 1)


def _window(line: str, start: int, end: int, width: int) -> tuple[str, int, int]:
    """The part of a line round a span of characters, the blanks before its carets and their number."""
    text, columns = laid_out(line)
    start, end = min(start, len(line)), min(end, len(line))
    first, behind = columns[start], max(columns[end], columns[start] + 1)
    behind = min(behind, first + MAX_CARETS)
    if columns[-1] <= width:
        return text, first, behind - first
    left = 0 if behind <= width - 3 else max(0, min(first - LEAD, behind - width + 6))
    right = min(columns[-1], left + width - 3 * (left > 0) - 3)
    if right + 3 >= columns[-1]:
        right = columns[-1]
    shown = "..." * (left > 0) + cut(text, left, right) + "..." * (right < columns[-1])
    return shown, first - left + 3 * (left > 0), max(1, min(behind, right) - first)
