"""Findings the user has answered for: `lora-doctor: ignore[rule] reason` in a comment, in every comment syntax."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import NamedTuple

from lora_doctor.finding import Fix, Place
from lora_doctor.source.document import Comment, Document, Span
from lora_doctor.source.edit import Edit

_DIRECTIVE = re.compile(r"lora-doctor:\s*ignore(?P<file>-file)?\b(?:\s*\[(?P<rules>[^\]]*)\])?")


class Suppression(NamedTuple):
    """One comment that suppresses rules: on `line`, or in the whole file where `line` is None."""

    document: Document
    span: Span  # the comment
    rules: tuple[str, ...]  # as written; empty: it names no rule, and suppresses nothing
    line: int | None

    @property
    def mark(self) -> tuple[str, int]:
        """What tells it from every other suppression, whichever name its file was reached by."""
        return os.path.realpath(self.document.name), self.span.start


class Unused(NamedTuple):
    """A name in a suppression that suppresses nothing.

    `why` is `unnamed` (no rule in brackets), `unknown` (no such rule), `foreign` (the rule speaks of other trainers or
    models), `silent` (the rule looked at the file and found nothing there).
    """

    suppression: Suppression
    rule: str
    why: str
    closest: str = ""  # for `unknown`: the rule that was probably meant


class Suppressions(NamedTuple):
    """What is known of the suppressions in one document, once everything that refers to it was judged."""

    document: Document
    unused: tuple[Unused, ...]


def suppressions(document: Document) -> list[Suppression]:
    """Every suppression in a document's comments."""
    if b"lora-doctor:" not in document.text:
        return []
    own_lines = (_lines(document, comment.span) for comment in document.comments if _is_alone(document, comment))
    alone = {line for lines in own_lines for line in lines}
    found = []
    for comment in document.comments:
        match = _DIRECTIVE.search(comment.text)
        if not match:
            continue
        rules = tuple(name.strip().lower() for name in (match["rules"] or "").split(",") if name.strip())
        line = None if match["file"] else _target(document, comment, alone)
        found.append(Suppression(document, comment.span, rules, line))
    return found


def suppressing(place: Place, names: Iterable[str], candidates: Iterable[Suppression]) -> Suppression | None:
    """The suppression that covers a finding of a rule with these names at this place, if there is one."""
    names = set(names)
    lines: set[int] | None = None
    for candidate in candidates:
        if candidate.document is not place.document or names.isdisjoint(candidate.rules):
            continue
        lines = lines or covered_lines(place)
        if candidate.line is None or candidate.line in lines:
            return candidate
    return None


def covered_lines(place: Place) -> set[int]:
    """Lines a suppression of this place may stand on or above.

    No comment can stand inside a command that goes on over several lines: there its first and last line count too.
    """
    lines = set(_lines(place.document, place.span))
    for command in place.document.commands:
        if command.span.start <= place.span.start and place.span.end <= command.span.end:
            spanned = _lines(place.document, command.span)
            lines |= {spanned[0], spanned[-1]}
    return lines


def removal(unused: Unused) -> Fix | None:
    """The fix that takes the name out of its comment, or the comment out of the file when nothing is left of it.

    None where the name was probably misspelt, or the comment says other things too: only its author can tell.
    """
    suppression, document = unused.suppression, unused.suppression.document
    text = document.text[suppression.span.start : suppression.span.end].decode("utf-8", "replace")
    match = _DIRECTIVE.search(text)
    if unused.closest or match is None or not suppression.rules:
        return None
    left = [name for name in suppression.rules if name != unused.rule]
    if left:
        start = suppression.span.start + len(text[: match.start("rules")].encode())
        edit = Edit(Span(start, start + len(match["rules"].encode())), ", ".join(left))
        return Fix(f"take `{unused.rule}` out of the suppression", document, (edit,), True)
    if text[: match.start()].strip().lower() not in ("#", "//", "/*", "rem", "::"):
        return None
    return Fix("remove the suppression", document, (Edit(_whole(document, suppression.span), ""),), True)


def _whole(document: Document, span: Span) -> Span:
    """A comment with the blanks before it, or with its lines where it has them to itself."""
    start = document.text.rfind(b"\n", 0, span.start) + 1
    end = document.text.find(b"\n", span.end) + 1 or len(document.text)
    before = document.text[start : span.start].removeprefix(b"\xef\xbb\xbf")
    start += len(document.text[start : span.start]) - len(before)
    if not before.strip() and not document.text[span.end : end].strip():
        return Span(start, end)
    return Span(start + len(before.rstrip(b" \t")), span.end)


def _target(document: Document, comment: Comment, alone: set[int]) -> int:
    """Its own line, or, for a comment that has its lines to itself, the next line that is no such comment."""
    line = _lines(document, comment.span)[-1]
    if line not in alone:
        return line
    while line in alone:
        line += 1
    return line


def _is_alone(document: Document, comment: Comment) -> bool:
    start = document.text.rfind(b"\n", 0, comment.span.start) + 1
    end = document.text.find(b"\n", comment.span.end)
    before = document.text[start : comment.span.start].removeprefix(b"\xef\xbb\xbf")
    after = document.text[comment.span.end : end if end >= 0 else len(document.text)]
    return not before.strip() and not after.strip()


def _lines(document: Document, span: Span) -> range:
    first = document.position(span.start).line
    return range(first, document.position(max(span.start, span.end - 1)).line + 1)
