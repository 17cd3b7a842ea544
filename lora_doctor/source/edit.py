"""Fixes are byte splices at spans; the result must parse and differ only where it says so."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from lora_doctor.source.document import Document, Entry, KeyPath, SourceError, Span
from lora_doctor.source.read import read_text

_PLAIN_YAML = re.compile(r"[A-Za-z_./][\w./-]*")
_PLAIN_WORD = re.compile(r"[\w@%+=:,./-]+")


class Edit(NamedTuple):
    """Replace the bytes at `span` by `text`."""

    span: Span
    text: str


def spell(document: Document, value: Any) -> str:
    """A Python value as this document's syntax writes it."""
    if document.syntax == "toml":
        return _toml(value)
    if document.syntax == "yaml":
        return _yaml(value)
    if document.syntax == "json":
        return json.dumps(value, ensure_ascii=False)
    words = [_word(item) for item in value] if isinstance(value, (list, tuple)) else [_word(value)]
    return " ".join(words)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, str) and "'" not in value and "\n" not in value and "\\" in value:
        return f"'{value}'"  # a Windows path
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else _number(value)


def _yaml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_yaml(item) for item in value) + "]"
    if isinstance(value, str):
        word = value.lower() in ("true", "false", "yes", "no", "on", "off", "null", "none", "y", "n")
        return value if _PLAIN_YAML.fullmatch(value) and not word else json.dumps(value, ensure_ascii=False)
    return _number(value)


def _number(value: Any) -> str:
    """Floats keep a decimal point: `1e-4` is a string to plain YAML 1.1 readers."""
    text = repr(value)
    if isinstance(value, float) and "e" in text and "." not in text:
        mantissa, _, exponent = text.partition("e")
        return f"{mantissa}.0e{exponent}"
    return "null" if value is None else text


def _word(value: Any) -> str:
    text = value if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)
    return text if _PLAIN_WORD.fullmatch(text) else "'" + text.replace("'", "'\\''") + "'"


def replace_value(document: Document, path: KeyPath, value: Any) -> Edit | None:
    """Write another value at `path`; None where the text there is not the value itself (alias, shell variable)."""
    entry = document.entries.get(path)
    if entry is None or not entry.literal or isinstance(entry.value, dict):
        return None
    if document.syntax == "yaml" and document.text[entry.span.start : entry.span.start + 1] == b"-":
        return _replace_block(document, path, entry, value)
    return Edit(entry.span, spell(document, value))


def _replace_block(document: Document, path: KeyPath, entry: Entry, value: Any) -> Edit | None:
    """A block of `- item` lines becomes a value behind the key; its span goes on to whatever follows."""
    if not isinstance(entry.value, list):
        return Edit(entry.span, spell(document, value))  # `-5`
    last = document.entries.get((*path, len(entry.value) - 1))
    if entry.key is None or last is None or isinstance(last.value, (dict, list)):
        return None
    between = document.text[entry.key.end : entry.span.start]
    if between.strip() != b":":
        return None
    return Edit(Span(entry.key.end, last.span.end), f": {spell(document, value)}")


def rename_key(document: Document, path: KeyPath, name: str) -> Edit | None:
    """Give the key at `path` another name in the same table; None where that name is taken."""
    entry = document.entries.get(path)
    if entry is None or entry.key is None or not entry.literal or (*path[:-1], name) in document.entries:
        return None
    dashes = "--" if str(path[-1]).startswith("--") and not name.startswith("--") else ""
    return Edit(entry.key, spell(document, dashes + name) if document.syntax == "json" else dashes + name)


def delete_pair(document: Document, path: KeyPath) -> Edit | None:
    """Remove a key that stands alone on its lines; None where it shares a line (a fix must not guess)."""
    entry = document.entries.get(path)
    if entry is None or entry.key is None or not entry.literal or document.syntax in ("json", "shell"):
        return None
    start = document.text.rfind(b"\n", 0, entry.key.start) + 1
    end = document.text.find(b"\n", entry.span.end)
    end = len(document.text) if end < 0 else end + 1
    before = document.text[start : entry.key.start].removeprefix(b"\xef\xbb\xbf")
    after = document.text[entry.span.end : end].strip()
    if before.strip() or (after and not after.startswith(b"#")) or isinstance(entry.value, (dict, list)):
        return None
    return None if _in_braces(document, path) else Edit(Span(start, end), "")


def _in_braces(document: Document, path: KeyPath) -> bool:
    """Whether a pair of TOML stands in an inline table, where commas would have to be minded."""
    above = document.entries.get(path[:-1])
    inside = above is not None and document.text[above.span.start : above.span.start + 1] == b"{"
    return inside and document.syntax == "toml"


def insert_pair(document: Document, path: KeyPath, value: Any) -> Edit | None:
    """Add `path` after its last sibling on its own line, with the sibling's indentation; None where there is none."""
    siblings = [
        entry
        for other, entry in document.entries.items()
        if other[:-1] == path[:-1] and other and entry.key and entry.literal and not isinstance(entry.value, dict)
    ]
    if not siblings or document.syntax not in ("toml", "yaml", "json") or path in document.entries:
        return None
    last = siblings[-1]
    if last.key is None or (isinstance(last.value, list) and document.syntax == "yaml"):
        return None
    start = document.text.rfind(b"\n", 0, last.key.start) + 1
    indent = document.text[start : last.key.start].decode()
    if indent.strip() or _in_braces(document, path):
        return None
    return _insertion(document, last.span.end, indent, f"{path[-1]}", spell(document, value))


def _insertion(document: Document, at: int, indent: str, key: str, value: str) -> Edit | None:
    end = document.text.find(b"\n", at)
    end = len(document.text) if end < 0 else end
    line_break = "\r\n" if document.text[end - 1 : end] == b"\r" else "\n"
    if document.syntax == "json":
        return Edit(Span(at, at), f",{line_break}{indent}{json.dumps(key)}: {value}")
    rest = document.text[at:end].strip()
    if rest and not rest.startswith(b"#"):
        return None
    end -= line_break == "\r\n"
    pair = f"{key} = {value}" if document.syntax == "toml" else f"{key}: {value}"
    return Edit(Span(end, end), f"{line_break}{indent}{pair}")


def apply(text: bytes, edits: list[Edit]) -> bytes:
    """All edits at once, right to left.

    Raises:
        SourceError: two edits overlap.
    """
    at = len(text) + 1
    for edit in sorted(set(edits), key=lambda edit: edit.span, reverse=True):
        if edit.span.end > at:
            raise SourceError("two fixes touch the same place")
        text = text[: edit.span.start] + edit.text.encode() + text[edit.span.end :]
        at = edit.span.start
    return text


def changed_keys(before: Document, after: bytes) -> set[KeyPath]:
    """The leaf keys that an edit really changed.

    Raises:
        SourceError: the edited text does not parse.
    """
    old, new = _leaves(before), _leaves(read_text(before.name, after))
    return {path for path in old.keys() | new.keys() if _typed(old.get(path, ...)) != _typed(new.get(path, ...))}


def _typed(value: Any) -> tuple[type, Any]:
    """100 and 100.0 are equal to Python, and not to every trainer."""
    return type(value), [_typed(item) for item in value] if isinstance(value, list) else value


def _leaves(document: Document) -> dict[KeyPath, Any]:
    leaves = {
        path: entry.value
        for path, entry in document.entries.items()
        if not _holds_tables(entry.value) and not _is_item(document, path)
    }
    for i, command in enumerate(document.commands):
        leaves |= {(i, j): word.text for j, word in enumerate(command.words)}
    return leaves


def _holds_tables(value: Any) -> bool:
    """A table, or a list of tables: what changes in it is counted at its own keys."""
    return isinstance(value, dict) or (isinstance(value, list) and any(_holds_tables(item) for item in value))


def _is_item(document: Document, path: KeyPath) -> bool:
    """An item of a plain list: the list itself is the value."""
    home = document.entries.get(path[:-1]) if path else None
    return home is not None and isinstance(home.value, list) and not _holds_tables(home.value)
