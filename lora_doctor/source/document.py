"""A file's values with the exact bytes they stand at."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any, NamedTuple

KeyPath = tuple[str | int, ...]
BOM = b"\xef\xbb\xbf"


class SourceError(Exception):
    """Expected trouble with an input: one sentence, and the line it stands at (1-based) when there is one."""

    def __init__(self, sentence: str, line: int = 0, column: int = 0) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.line = line
        self.column = column


class Span(NamedTuple):
    """Half-open range of byte offsets into the file as it lies on disk."""

    start: int
    end: int


class Entry(NamedTuple):
    """One value of a document.

    `span` covers the value as written, `key` its key (None for list items and words of a command).
    `literal` is False where the text at `span` is not the value itself (an alias, a variable): no fix may edit it.
    """

    value: Any
    span: Span
    key: Span | None = None
    literal: bool = True


class Comment(NamedTuple):
    """A comment with its text, marker included."""

    text: str
    span: Span


class Word(NamedTuple):
    """One word of a shell command after expansion; `known` is False where a variable's value can't be read here."""

    text: str
    span: Span
    literal: bool = True
    known: bool = True


class Command(NamedTuple):
    """One simple command of a script, in the order of the text."""

    words: tuple[Word, ...]
    span: Span


class Duplicate(NamedTuple):
    """A key written twice in one table: JSON and YAML loaders keep the last without a word."""

    path: KeyPath
    first: Span
    last: Span


class Position(NamedTuple):
    """1-based line and column, in characters; a byte order mark is no character."""

    line: int
    column: int


class Document:
    """A parsed file: bytes are kept, spans are byte spans, lines and columns are computed on demand."""

    __slots__ = ("_lines", "commands", "comments", "data", "duplicates", "entries", "name", "syntax", "text")

    def __init__(self, name: str, text: bytes, syntax: str) -> None:
        self.name = name
        self.text = text
        self.syntax = syntax
        self.data: Any = None
        self.entries: dict[KeyPath, Entry] = {}
        self.comments: list[Comment] = []
        self.commands: list[Command] = []
        self.duplicates: list[Duplicate] = []
        self._lines: list[int] = []

    def position(self, offset: int) -> Position:
        """The line and column of a byte offset."""
        if not self._lines:
            self._lines = [0, *(i + 1 for i, byte in enumerate(self.text) if byte == 10)]
        line = bisect_right(self._lines, offset)
        start = self._lines[line - 1]
        return Position(line, len(self.text[start:offset].removeprefix(BOM).decode("utf-8", "replace")) + 1)

    def line(self, number: int) -> str:
        """The text of a 1-based line, without its line break."""
        self.position(0)
        start = self._lines[number - 1]
        end = self._lines[number] if number < len(self._lines) else len(self.text)
        return self.text[start:end].removeprefix(BOM).decode("utf-8", "replace").rstrip("\r\n")

    def start(self) -> Span:
        """Where a finding about the whole file points: its first line of content."""
        entry = next((e for path, e in self.entries.items() if path), None)
        if entry is None:
            return Span(0, 0)
        return entry.key or entry.span
