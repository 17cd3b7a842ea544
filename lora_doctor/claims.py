"""Whether an edit changed what it claims to, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from lora_doctor.source.document import Document, KeyPath, SourceError, Span
from lora_doctor.source.edit import Edit
from lora_doctor.source.read import read_text

Leaves = dict[tuple[str | int, ...], Any]


def changes_only_what_it_claims(before: Document, edits: Iterable[Edit], after: bytes) -> bool:
    """Whether the edited text parses, and every value outside the edits is what it was."""
    edits = sorted(set(edits), key=lambda edit: edit.span)
    try:
        new = read_text(before.name, after)
    except SourceError:
        return False
    if len(new.duplicates) > len(before.duplicates) or len(new.commands) != len(before.commands):
        return False
    old_places, new_places = [edit.span for edit in edits], list(_new_places(edits))
    return _kept(before, old_places) == _kept(new, new_places)


def _new_places(edits: Iterable[Edit]) -> Iterator[Span]:
    """Where the edits' texts stand once all are made."""
    shift = 0
    for edit in edits:
        start, length = edit.span.start + shift, len(edit.text.encode())
        yield Span(start, start + length)
        shift += length - (edit.span.end - edit.span.start)


def _kept(document: Document, edited: list[Span]) -> tuple[Leaves, list[list[str]]]:
    """Every value and word that no edit touches.

    A value that is only referred to (an alias, a variable) is not excused: an edit elsewhere must not change it. Shell
    variables are, as what depends on them is what setting them is for.
    """
    touched = {
        path
        for path, entry in document.entries.items()
        if entry.literal and any(_meets(span, edited) for span in (entry.key, _own(entry.value, entry.span)) if span)
    }
    leaves = {
        path: entry.value
        for path, entry in document.entries.items()
        if _own(entry.value, entry.span) and not _below(path, touched)
    }
    assigned = any(path and path[0] == "env" for path in touched) and document.syntax == "shell"
    words = [
        [word.text for word in command.words if not _meets(word.span, edited) and (word.literal or not assigned)]
        for command in document.commands
    ]
    return leaves, words


def _own(value: Any, span: Span) -> Span | None:
    """The span of a value that has no parts of its own; tables and lists are told by their parts."""
    return None if isinstance(value, (dict, list)) and value else span


def _meets(span: Span, others: list[Span]) -> bool:
    return any(span.start < other.end and other.start < span.end for other in others)


def _below(path: KeyPath, touched: set[KeyPath]) -> bool:
    return any(path[:length] in touched for length in range(1, len(path) + 1))
