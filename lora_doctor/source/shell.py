"""Shell scripts and dotenv files: commands as words, variables expanded from earlier assignments.

Comments, continuations and quoting are tree-sitter's; each word keeps the place it was written at, so that a flag
kept in an array is reported in the array.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from lora_doctor.source.document import Command, Comment, Document, Entry, SourceError, Span, Word

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

BOM = b"\xef\xbb\xbf"
MAX_WORDS = 20_000  # arrays that contain themselves twice would double for ever
_EXPANSION = re.compile(r"^\$(?:(\w+)|\{(\w+)(?:(:?[-=?+])(.*))?\})$", re.S)
_ARRAY = re.compile(r"^\$\{(\w+)\[[@*]\]\}$")
_Variables = dict[str, tuple[Word, ...]]


@cache
def _parser() -> Parser:
    import tree_sitter_bash
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_bash.language()))


def parse_shell(name: str, text: bytes) -> Document:
    """Read a POSIX or bash script; PowerShell's and cmd's line continuations are understood as well."""
    document = Document(name, text, "shell")
    plain = _posix(name, text.replace(BOM, b"   ", 1) if text.startswith(BOM) else text)
    root = _parser().parse(plain).root_node
    _refuse_open_quote(root)
    reader = _Reader(document)
    reader.read(root)
    document.entries[()] = Entry(None, Span(0, len(text)))
    document.data = {path[1]: entry.value for path, entry in document.entries.items() if len(path) == 2}
    document.comments.sort(key=lambda comment: comment.span)
    return document


def _posix(name: str, text: bytes) -> bytes:
    """Windows continuations (`^`, backtick) become backslashes: one byte for one byte, so every offset stays."""
    text = text.replace(b"\\\r\n", b"\\\n ").replace(b"\r\n", b" \n")
    suffix = name.lower().rpartition(".")[2]
    if suffix in ("bat", "cmd"):
        text = re.sub(rb"(?mi)^(\s*)(?:rem |::)", lambda m: m[1] + b"#" + b" " * (len(m[0]) - len(m[1]) - 1), text)
        return re.sub(rb"\^[ \t]*(?=\n)", lambda m: b" " * (len(m[0]) - 1) + b"\\", text)
    if suffix == "ps1":
        text = re.sub(rb"(?m)^([ \t]*)\$(?:env:)?(\w+)[ \t]*=[ \t]*", _powershell_assignment, text)
        return re.sub(rb"`[ \t]*(?=\n)", lambda m: b" " * (len(m[0]) - 1) + b"\\", text)
    return text


def _powershell_assignment(match: re.Match[bytes]) -> bytes:
    """`$name = "x"` reads as `name="x"`, padded in front to its old length."""
    plain = match[2] + b"="
    return b" " * (len(match[0]) - len(plain)) + plain


def _refuse_open_quote(root: Node) -> None:
    stack = [root]
    while stack:
        node = stack.pop()
        if node.type == "ERROR" and (node.text or b"").lstrip()[:1] in (b'"', b"'"):
            raise SourceError("not a readable script: a quote is opened here and never closed", *_place(node))
        if node.is_missing and node.type in ('"', "'"):
            raise SourceError("not a readable script: a quote is never closed", *_place(node.parent or node))
        if node.has_error:
            stack.extend(node.children)


def _place(node: Node) -> tuple[int, int]:
    return node.start_point[0] + 1, node.start_point[1] + 1


class _Reader:
    """Walks a script in the order of the text; holds the variables assigned so far."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.variables: _Variables = {}
        self.count = 0

    def read(self, root: Node) -> None:
        stack = [root]
        while stack:
            node = stack.pop()
            if node.type == "comment":
                self.document.comments.append(Comment(_text(node), _span(node)))
            elif node.type == "variable_assignment":
                self._assign(node)
            elif node.type == "command":
                self._command(node)
            stack.extend(reversed(node.named_children))

    def _assign(self, node: Node) -> None:
        name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        if name is None:
            return
        words = self._words(value) if value is not None else ()
        appended = _text(node)[len(_text(name)) :].startswith("+=")
        self.variables[_text(name)] = (*self.variables.get(_text(name), ()), *words) if appended else words
        place = _span(value) if value is not None else Span(node.end_byte, node.end_byte)
        literal = len(words) == 1 and words[0].literal
        text = " ".join(word.text for word in words)
        self.document.entries[("env", _text(name))] = Entry(text, place, _span(name), literal)

    def _command(self, node: Node) -> None:
        parts = [child for child in node.named_children if child.type not in ("comment", "variable_assignment")]
        words: list[Word] = []
        for part in parts:
            if "redirect" not in part.type and part.type != "herestring_redirect":
                words += self._words(part)
        self.count += len(words)
        if self.count > MAX_WORDS:
            raise SourceError(f"not a readable script: its variables expand to more than {MAX_WORDS:,} words")
        if words:
            self.document.commands.append(Command(tuple(words), _span(node)))

    def _words(self, node: Node) -> tuple[Word, ...]:
        if node.type in ("array", "command_name"):
            return tuple(w for child in node.named_children if child.type != "comment" for w in self._words(child))
        text = _text(node)
        inner = text[1:-1] if node.type == "string" and text.startswith('"') else text
        array = _ARRAY.match(inner)
        if array:
            return self.variables.get(array[1], (Word(text, _span(node), False, False),))
        if node.type in ("simple_expansion", "expansion"):  # unquoted: the shell splits the value at blanks
            word = self._word(node)
            pieces = word.text.split() if word.known else [word.text]
            return tuple(Word(piece, word.span, False, word.known) for piece in pieces)
        return (self._word(node),)

    def _word(self, node: Node) -> Word:
        text, known = self._text(node)
        literal = node.type in ("word", "number", "raw_string") or not any(
            "expansion" in child.type or child.type == "command_substitution" for child in _all(node)
        )
        return Word(text, _span(node), literal, known)

    def _text(self, node: Node) -> tuple[str, bool]:
        """The value of a word and whether all of it is known."""
        raw = _text(node)
        if node.type == "raw_string":
            return raw[1:-1], True
        if node.type == "ansi_c_string":
            return raw[2:-1].encode().decode("unicode_escape", "replace"), True
        if node.type in ("simple_expansion", "expansion"):
            return self._expand(raw)
        if node.type in ("command_substitution", "process_substitution", "arithmetic_expansion"):
            return raw, False
        if node.type == "string":
            return self._joined(node, raw, 1)
        if node.type == "concatenation":
            return self._joined(node, raw, 0)
        return re.sub(r"\\(.)", r"\1", raw.replace("\\\n", ""), flags=re.S), True

    def _joined(self, node: Node, raw: str, quote: int) -> tuple[str, bool]:
        """Text of a node made of pieces: what lies between its children is literal."""
        data = node.text or b""
        parts: list[str] = []
        known, at = True, quote
        for child in node.named_children:
            start, end = child.start_byte - node.start_byte, child.end_byte - node.start_byte
            parts.append(data[at:start].decode("utf-8", "replace"))
            if child.type == "string_content":
                parts.append(re.sub(r'\\([$`"\\])', r"\1", _text(child).replace("\\\n", "")))
            else:
                text, inner_known = self._text(child)
                parts.append(text)
                known = known and inner_known
            at = end
        end = len(data) - quote if quote and data[-1:] == b'"' else len(data)
        parts.append(data[at:end].decode("utf-8", "replace"))
        return "".join(parts), known

    def _expand(self, raw: str) -> tuple[str, bool]:
        match = _EXPANSION.match(raw)
        if not match:
            return raw, False
        words = self.variables.get(match[1] or match[2])
        if words:
            return " ".join(word.text for word in words), all(word.known for word in words)
        if match[3] in (":-", "-", ":=", "=") and match[4] is not None:
            return match[4].strip("\"'"), True
        return raw, False


def _all(node: Node) -> list[Node]:
    found, stack = [], [node]
    while stack:
        inner = stack.pop()
        found.append(inner)
        stack.extend(inner.named_children)
    return found


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")


def _span(node: Node) -> Span:
    return Span(node.start_byte, node.end_byte)
