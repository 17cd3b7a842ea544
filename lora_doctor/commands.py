"""Where a command of a shell script was cut off, so that its last options begin a command of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from lora_doctor.finding import Fix, Place
from lora_doctor.source.document import Command, Document, Span
from lora_doctor.source.edit import Edit

MARKS = {"ps1": "`", "bat": "^", "cmd": "^"}  # what continues a line; a backslash elsewhere


class CutOff(NamedTuple):
    """Options that begin a new command: the first one's place, all their names, why, and the edit that joins them."""

    place: Place
    options: tuple[str, ...]
    cause: str
    fix: Fix | None


def cut_off(document: Document) -> list[CutOff]:
    """Every place in a script where a command ends before its options do."""
    return [_describe(document, before, pieces) for before, pieces in _pieces(document)]


def _pieces(document: Document) -> Iterator[tuple[Command, list[Command]]]:
    """Each command that is cut off, with the pieces that follow it."""
    run: tuple[Command, list[Command]] | None = None
    for before, command in pairwise(sorted(document.commands, key=lambda command: command.span)):
        if re.match(rb"--[A-Za-z]", document.text[command.span.start : command.span.start + 3]):
            run = (before, []) if run is None else run
            run[1].append(command)
        elif run is not None:
            yield run
            run = None
    if run is not None:
        yield run


def _describe(document: Document, before: Command, pieces: list[Command]) -> CutOff:
    words = [word.text for piece in pieces for word in piece.words]
    options = tuple(word.partition("=")[0] for word in words if re.match(r"--\w", word))
    place = Place(document, pieces[0].words[0].span)
    return CutOff(place, options, _cause(document, before, pieces[0]), _fix(document, before, pieces))


def _gap(document: Document, before: Command, after: Command) -> tuple[Span, str]:
    last = before.words[-1]  # an escaped blank at the end of the line is what broke it
    end = last.span.start if last.text.isspace() else before.span.end
    end = len(document.text[:end].rstrip(b" \t"))
    place = Span(end, after.words[0].span.start)
    return place, document.text[place.start : place.end].decode("utf-8", "replace")


def _mark(document: Document) -> str:
    return MARKS.get(document.name.lower().rpartition(".")[2], "\\")


def _cause(document: Document, before: Command, after: Command) -> str:
    place, gap = _gap(document, before, after)
    mark, line = _mark(document), document.position(place.start).line
    if re.search(r"^[ \t]*(#|rem |::)", gap, re.M | re.I):
        return f"the comment behind line {line} ends the one before"
    if re.search(rf"{re.escape(mark)}[ \t]+\r?$", gap, re.M):
        return f"a blank stands behind the `{mark}` of line {line}"
    if re.search(rf"{re.escape(mark)}\r?\n", gap):
        return f"the empty line behind line {line} ends the one before"
    return f"line {line} does not end in `{mark}`"


def _fix(document: Document, before: Command, pieces: list[Command]) -> Fix | None:
    """Join the pieces again; a comment between them would be lost, so that is no safe fix."""
    edits, safe = [], True
    for one, two in pairwise([before, *pieces]):
        place, gap = _gap(document, one, two)
        bare = re.sub(r"(?m)^[ \t]*#.*$", "", gap)
        if place.end <= place.start or bare.strip(" \t\r\n\\`^"):
            return None
        safe = safe and bare == gap
        line_break = "\r\n" if "\r\n" in gap else "\n"
        edits.append(Edit(place, f" {_mark(document)}{line_break}{gap.rpartition(chr(10))[2]}"))
    return Fix("continue the command", document, tuple(edits), safe)
