"""Secrets are never printed: neither what a rule called private nor anything that looks like a token."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lora_doctor.result import Found
from lora_doctor.source.document import Document, Span

_TOKEN = re.compile(
    r"hf_\w{20,}|wandb_v1_\w{20,}|sk-[\w-]{20,}|r8_\w{20,}|gh[opsu]_\w{20,}|github_pat_\w{20,}|AKIA[0-9A-Z]{16}"
    r"|(?<![0-9a-f])[0-9a-f]{40}(?![0-9a-f])"
)


def without_tokens(text: str) -> str:
    """The text with every token starred out, letter for letter."""
    return _TOKEN.sub(lambda match: "*" * len(match[0]), text)


def without_secrets(text: str, found: Iterable[Found]) -> str:
    """The text without tokens, and without what rules called private wherever it stands."""
    for each in found:
        if each.finding.private:
            place = each.finding.place
            secret = place.document.text[place.span.start : place.span.end].decode("utf-8", "replace").strip("\"' \r\n")
            text = text.replace(secret, "*" * len(secret)) if secret else text
    return without_tokens(text)


def private_spans(found: Iterable[Found]) -> dict[int, list[Span]]:
    """The spans that rules called private, by the identity of their document."""
    spans: dict[int, list[Span]] = {}
    for each in found:
        if each.finding.private:
            spans.setdefault(id(each.finding.place.document), []).append(each.finding.place.span)
    return spans


def masked_line(document: Document, number: int, private: Iterable[Span]) -> str:
    """A line of a document with its secrets starred out, letter for letter."""
    line = document.line(number)
    for span in private:
        first, last = document.position(span.start), document.position(span.end)
        if first.line <= number <= last.line:
            start = first.column - 1 if number == first.line else 0
            end = last.column - 1 if number == last.line else len(line)
            line = line[:start] + "*" * (end - start) + line[end:]
    return without_tokens(line)
