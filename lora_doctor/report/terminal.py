"""How text is put on a terminal: colours, columns, and nothing that a terminal would take for a command."""

from __future__ import annotations

import re

TAB = 4  # columns
_CODES = {"error": "1;31", "warning": "1;33", "note": "1;36", "bold": "1", "dim": "2", "good": "1;32"}
# Control characters, what turns the direction of text, and halves of surrogate pairs.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


def paint(text: str, style: str, colour: bool) -> str:
    """The text in a style's colour, where colours are wanted."""
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if colour and text else text


def printable(text: str) -> str:
    """One line with everything unprintable replaced; one character stays one character."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text).replace("\n", "\N{REPLACEMENT CHARACTER}")


def columns(character: str) -> int:
    """Columns one character takes on a terminal (a tab is a matter of its place, not counted here)."""
    if character < "\x7f":
        return 1
    import unicodedata

    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def laid_out(line: str) -> tuple[str, list[int]]:
    """A line with its tabs spread, and the column every character of the original starts at (one more for its end)."""
    text, starts, column = [], [], 0
    for character in printable(line):
        starts.append(column)
        wide = TAB - column % TAB if character == "\t" else columns(character)
        text.append(" " * wide if character == "\t" else character)
        column += wide
    return "".join(text), [*starts, column]


def cut(text: str, start: int, end: int) -> str:
    """The part of a laid-out text between two columns; a wide character cut in half becomes a blank."""
    if text.isascii():
        return text[start:end]
    kept, column = [], 0
    for character in text:
        wide = columns(character)
        if start <= column and column + wide <= end:
            kept.append(character)
        elif column < end and column + wide > start:
            kept.append(" " * (min(column + wide, end) - max(column, start)))
        column += wide
    return "".join(kept)
