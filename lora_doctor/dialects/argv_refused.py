"""What argparse stops at on a command line, and the edit that mends it where one is plain."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby

from lora_doctor.finding import Fix, Place
from lora_doctor.setting import KeyTable, Refusal, Setting
from lora_doctor.source.document import Document, Span, Word
from lora_doctor.source.edit import Edit

Refused = tuple[Word, str, str]  # a word, the option it stands behind, why argparse stops at it
Eraser = Callable[[tuple[Word, ...]], Edit | None]


def refusals(
    document: Document, refused: tuple[Refused, ...], table: KeyTable, values: dict[str, Word], erase: Eraser
) -> list[Refusal]:
    """Each word with its fix; `values` are the last values the options took."""
    found = []
    for (name, why), group in groupby(refused, key=lambda item: (item[1], item[2])):
        words = [word for word, _, _ in group]
        key = table.find(name)
        switch = key is not None and key.type == "bool"
        quoted = _quoted(document, name, values[name], words) if why == "extra" and name in values else None
        for word in words:
            fix = quoted
            if why == "extra" and switch:
                fix = _fix(document, f"remove `{word.text}`", erase((word,)))
            elif why == "takes no value":
                fix = _bare(document, word, name)
            found.append(_refusal(document, word, name, why, fix))
    return found


def _refusal(document: Document, word: Word, name: str, why: str, fix: Fix | None) -> Refusal:
    start = word.span.start
    if why == "extra" and word.text[:1].isspace() and document.text[start : start + 1] in (b"\\", b"^", b"`"):
        why, fix = "escaped blank", _fix(document, "remove the mark", Edit(Span(start, start + 1), ""))
    place = Place(document, word.span, ("flag", name))
    setting: Setting[str] = Setting(word.text, "written", f"--{name}" if name else "", place)
    return Refusal(setting, why, fix)


def _fix(document: Document, description: str, edit: Edit | None) -> Fix | None:
    return Fix(description, document, (edit,), True) if edit is not None else None


def _bare(document: Document, word: Word, name: str) -> Fix | None:
    """`--name` alone, where `--name=` stands in the file as it is."""
    start, end = word.span
    switch = word.text.partition("=")[0].encode()
    if not document.text[start:end].startswith(switch + b"="):
        return None
    return _fix(document, f"write `--{name}` alone", Edit(Span(start + len(switch), end), ""))


def _quoted(document: Document, name: str, value: Word, words: list[Word]) -> Fix | None:
    """Quotes around a value and the words that fell off it, where they stand side by side in the file."""
    start, end = value.span.start, words[-1].span.end
    written = document.text[start:end].decode("utf-8", "replace")
    expected = " ".join([value.text, *(word.text for word in words)])
    if not value.literal or written.split() != expected.split() or any(mark in written for mark in "\"'$`\\%^\n"):
        return None
    return _fix(document, f"quote the value of `--{name}`", Edit(Span(start, end), f'"{written}"'))
