"""TOML: tomllib says what the values are, tree-sitter where they stand."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from typing import TYPE_CHECKING, Any

from lora_doctor.source.document import Document, Entry, KeyPath, SourceError, Span
from lora_doctor.source.tree import collect_comments, span_of

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

BOM = b"\xef\xbb\xbf"
# a whole string or comment, a line break, or one other visible character
_TOKEN = re.compile(
    rb'"""(?:[^\\]|\\.)*?"""|' rb"'''.*?'''|" rb'"(?:[^"\\\n]|\\.)*"|' rb"'[^'\n]*'|#[^\n]*|[\r\n]+|[^\s]", re.S
)


@cache
def _parser() -> Parser:
    import tree_sitter_toml
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_toml.language()))


def parse_toml(name: str, text: bytes) -> Document:
    """Read TOML 1.0 into a document; a byte order mark is skipped (a rule tells what it does to the trainer)."""
    document = Document(name, text, "toml")
    plain = text.replace(BOM, b"   ", 1) if text.startswith(BOM) else text
    try:
        document.data = tomllib.loads(plain.decode("utf-8"))
    except (tomllib.TOMLDecodeError, RecursionError):
        plain = _in_one_line(plain)
        document.data = _load(plain, text)
    root = _parser().parse(plain).root_node
    document.entries[()] = Entry(document.data, Span(0, len(text)))
    try:
        _tables(document, root)
    except RecursionError:  # a key of thousands of parts
        raise SourceError("not readable TOML: nested too deeply") from None
    collect_comments(document, root)
    return document


def _in_one_line(text: bytes) -> bytes:
    """Inline tables written over several lines, as TOML 1.1 and the `toml` package read them: line breaks, comments and
    a last comma inside braces become blanks, byte for byte."""
    plain = bytearray(text)
    depth, comma = 0, -1
    for match in _TOKEN.finditer(text):
        token, start = match[0], match.start()
        depth += (token == b"{") - (token == b"}" and depth > 0)
        if depth and (token[:1] == b"#" or token.isspace()):
            plain[start : match.end()] = b" " * len(token)
        elif token == b"}" and comma >= 0:
            plain[comma] = 32
        if not token.isspace() and token[:1] != b"#":
            comma = start if token == b"," else -1
    return bytes(plain)


def _load(text: bytes, written: bytes) -> dict[str, Any]:
    """The values of `text`, or what is wrong with it and where that stands in the file as `written`."""
    try:
        return tomllib.loads(text.decode("utf-8"))
    except tomllib.TOMLDecodeError as error:
        message, _, place = str(error).partition(" (at ")
        numbers = [int(word) for word in place.replace(",", " ").replace(")", " ").split() if word.isdigit()]
        line, column = (numbers + [text.count(b"\n") + 1, 1])[:2] if len(numbers) != 1 else (numbers[0], 1)
        line += written.count(b"\n", 0, _start_of(text, line)) - (line - 1)  # those blanked inside braces count again
        raise SourceError(f"not valid TOML: {message[:1].lower()}{message[1:]}", line, column) from None
    except RecursionError:
        raise SourceError("not readable TOML: nested too deeply") from None


def _start_of(text: bytes, line: int) -> int:
    """The offset at which a 1-based line begins."""
    return sum(len(each) + 1 for each in text.split(b"\n")[: line - 1])


def _tables(document: Document, root: Node) -> None:
    _pairs(document, root, ())
    counts: dict[KeyPath, int] = {}
    for table in root.named_children:
        if table.type not in ("table", "table_array_element"):
            continue
        head = next(child for child in table.named_children if child.type != "comment")
        path = _table_path(_keys(head), table.type == "table_array_element", counts)
        document.entries[path] = Entry(_lookup(document.data, path), span_of(head), span_of(head))
        _pairs(document, table, path)


def _table_path(keys: list[str], is_array: bool, counts: dict[KeyPath, int]) -> KeyPath:
    """`[[a]]` appends an element; `[a.b]` below it belongs to the newest element of `a`."""
    path: KeyPath = ()
    for i, key in enumerate(keys):
        path = (*path, key)
        if is_array and i == len(keys) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path


def _pairs(document: Document, table: Node, path: KeyPath) -> None:
    for pair in table.named_children:
        if pair.type != "pair":
            continue
        parts = [child for child in pair.named_children if child.type != "comment"]
        if len(parts) == 2:
            _value(document, parts[1], (*path, *_keys(parts[0])), span_of(parts[0]))


def _value(document: Document, node: Node, path: KeyPath, key: Span | None) -> None:
    document.entries[path] = Entry(_lookup(document.data, path), span_of(node), key)
    if node.type == "inline_table":
        _pairs(document, node, path)
    elif node.type == "array":
        items = [child for child in node.named_children if child.type != "comment"]
        for i, item in enumerate(items):
            _value(document, item, (*path, i), None)


def _lookup(data: Any, path: KeyPath) -> Any:
    for key in path:
        data = data[key]
    return data


def _keys(node: Node) -> list[str]:
    if node.type == "dotted_key":
        return [key for child in node.named_children for key in _keys(child)]
    text = node.text or b""
    return [text.decode()] if node.type == "bare_key" else list(tomllib.loads(text.decode() + "=0"))
