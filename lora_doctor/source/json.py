"""JSON and JSON with comments: json says what the values are, tree-sitter where they stand."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from lora_doctor.source.document import Comment, Document, Duplicate, Entry, KeyPath, SourceError, Span
from lora_doctor.source.tree import collect_comments, span_of

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

BOM = b"\xef\xbb\xbf"
MAX_DEPTH = 100  # no trainer's config nests deeper than ten


@cache
def _parser() -> Parser:
    import tree_sitter_json
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_json.language()))


def parse_json(name: str, text: bytes) -> Document:
    """Read JSON; `//` and `/* */` comments are allowed here and kept in `comments` for a rule to judge."""
    document = Document(name, text, "json")
    plain = text.replace(BOM, b"   ", 1) if text.startswith(BOM) else text
    root = _parser().parse(plain).root_node
    collect_comments(document, root)
    document.data = _load(_without_comments(plain, document.comments))
    top = next((child for child in root.named_children if child.type != "comment"), None)
    if top is not None:
        _value(document, top, document.data, (), None)
    return document


def _load(text: bytes) -> Any:
    try:
        return json.loads(text.decode("utf-8"))
    except json.JSONDecodeError as error:
        sentence = error.msg[:1].lower() + error.msg[1:]
        raise SourceError(f"not valid JSON: {sentence}", error.lineno, error.colno) from None
    except RecursionError:
        raise SourceError("not readable JSON: nested too deeply") from None
    except ValueError as error:  # an integer of more than 4,300 digits
        raise SourceError(f"not readable JSON: {error}") from None


def _without_comments(text: bytes, comments: list[Comment]) -> bytes:
    """The same text with every comment blanked, so that offsets, lines and columns stay."""
    plain = bytearray(text)
    for comment in comments:
        blank = bytes(10 if byte == 10 else 32 for byte in text[comment.span.start : comment.span.end])
        plain[comment.span.start : comment.span.end] = blank
    return bytes(plain)


def _value(document: Document, node: Node, value: Any, path: KeyPath, key: Span | None) -> None:
    if len(path) > MAX_DEPTH:
        raise SourceError("not readable JSON: nested too deeply", node.start_point[0] + 1)
    document.entries[path] = Entry(value, span_of(node), key)
    if isinstance(value, dict) and node.type == "object":
        _object(document, node, value, path)
    elif isinstance(value, list) and node.type == "array":
        items = [child for child in node.named_children if child.type != "comment"]
        for i, (item, inner) in enumerate(zip(items, value)):
            _value(document, item, inner, (*path, i), None)


def _object(document: Document, node: Node, value: dict[str, Any], path: KeyPath) -> None:
    for pair in node.named_children:
        if pair.type != "pair":
            continue
        key, inner = pair.child_by_field_name("key"), pair.child_by_field_name("value")
        if key is None or inner is None:
            continue
        name = json.loads(key.text or b'""')
        place = (*path, name)
        if place in document.entries:
            _forget(document, place, span_of(key))
        _value(document, inner, value.get(name), place, span_of(key))


def _forget(document: Document, path: KeyPath, last: Span) -> None:
    """The later of two equal keys wins, as in every loader: the earlier value's entries go."""
    earlier = document.entries[path]
    document.duplicates.append(Duplicate(path, earlier.key or earlier.span, last))
    for known in [known for known in document.entries if known[: len(path)] == path]:
        del document.entries[known]
