"""Words of a POSIX shell: quotes removed, variables expanded, values split as the shell splits them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from lora_doctor.source.document import SourceError, Span, Word

if TYPE_CHECKING:
    from tree_sitter import Node

MAX_WORDS = 20_000  # arrays that contain themselves twice would double for ever
MAX_TEXT = 100_000  # and so would strings
MAX_DEPTH = 50
_ANSI = re.compile(r"\\(?:x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{1,4})|U([0-9A-Fa-f]{1,8})|([0-7]{1,3})|(.))", re.S)
_ANSI_NAMED = {"a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_DEFAULTS = (":-", "-", ":=", "=")
_ALL_ARGUMENTS = ("@", "*")


class Variable(NamedTuple):
    """A variable's value; `known` is False where the branches of a script leave it open."""

    words: tuple[Word, ...]
    array: bool = False
    known: bool = True

    @property
    def text(self) -> str:
        """The value as one string."""
        return " ".join(word.text for word in self.words)


class Piece(NamedTuple):
    """A stretch of one word. `splits`: an unquoted value, cut at blanks. `fields`: an array, one word per element."""

    text: str
    known: bool = True
    splits: bool = False
    fields: tuple[Word, ...] | None = None


class Words:
    """Expands words with the variables assigned so far; counts, so that no script can blow up."""

    def __init__(self, *, splits: bool) -> None:
        self.variables: dict[str, Variable] = {}
        self.splits = splits  # zsh does not split values
        self.in_function = False  # there `$@` is what the caller passes; at the top it is nothing
        self.count = 0

    def expand(self, node: Node) -> tuple[Word, ...]:
        """The words one node becomes: usually one, none or several where it holds variables."""
        if node.type in ("array", "command_name"):
            inner = [child for child in node.named_children if child.type != "comment"]
            return tuple(word for child in inner for word in self.expand(child))
        pieces = self._pieces(node, False, 0)
        if len(pieces) == 1 and pieces[0].fields is not None:
            words = pieces[0].fields
        else:
            words = _combine(pieces, span(node), _plain(node))
        self.count += len(words)
        if self.count > MAX_WORDS:
            raise SourceError(f"not a readable script: its variables expand to more than {MAX_WORDS:,} words")
        return words

    def value(self, node: Node) -> Word:
        """A node as the value of an assignment, which the shell does not split."""
        pieces = [piece._replace(splits=False) for piece in self._pieces(node, False, 0)]
        parts = [piece.text if piece.fields is None else " ".join(w.text for w in piece.fields) for piece in pieces]
        known = all(piece.known and all(w.known for w in piece.fields or ()) for piece in pieces)
        joined = "".join(parts)
        return Word(joined[:MAX_TEXT], span(node), _plain(node), known and len(joined) <= MAX_TEXT)

    def _pieces(self, node: Node, quoted: bool, depth: int) -> list[Piece]:
        if depth > MAX_DEPTH:
            raise SourceError("not a readable script: nested too deeply", node.start_point[0] + 1)
        raw = source(node)
        if node.type == "raw_string":
            return [Piece(raw[1:-1])]
        if node.type == "ansi_c_string":
            return [_ansi(raw[2:-1])]
        if node.type in ("string", "concatenation", "translated_string"):
            return self._joined(node, quoted or node.type == "string", depth)
        if node.type == "simple_expansion":
            return [self._variable(raw[1:], raw, quoted)]
        if node.type == "expansion":
            return self._expansion(node, raw, quoted, depth)
        if node.type in ("command_substitution", "process_substitution", "arithmetic_expansion", "brace_expression"):
            return [Piece(raw, False)]
        return [_literal(raw, quoted)]

    def _joined(self, node: Node, quoted: bool, depth: int) -> list[Piece]:
        """Pieces of a node made of pieces: what lies between its children is literal."""
        data = node.text or b""
        at = 1 if node.type == "string" and data[:1] == b'"' else 0
        end = len(data) - at
        pieces: list[Piece] = []
        for child in node.named_children:
            gap = data[at : child.start_byte - node.start_byte]
            pieces += [_literal(gap.decode("utf-8", "replace"), quoted)] if gap else []
            pieces += self._pieces(child, quoted, depth + 1)
            at = child.end_byte - node.start_byte
        tail = data[at:end]
        pieces += [_literal(tail.decode("utf-8", "replace"), quoted)] if tail else []
        return pieces or [Piece("")]

    def _expansion(self, node: Node, raw: str, quoted: bool, depth: int) -> list[Piece]:
        """`${name}`, `${name:-default}`, `${array[@]}`; what else the shell can do with a value is not followed."""
        array = re.match(r"^\$\{(\w+)\[[@*]\]\}$", raw)
        if array:
            return [self._array(array[1], raw)]
        match = re.match(r"^\$\{(\w+|[@*])(?:(:?[-=?+])(.*))?\}$", raw, re.S)
        if not match:
            return [Piece(raw, False)]
        found = self._variable(match[1], raw, quoted)
        if not match[2] or (found.known and (found.text or found.fields or ":" not in match[2])):
            return [found]
        if match[2] not in _DEFAULTS or self._open(match[1]):
            return [Piece(raw, False)]
        default = []
        for child in node.named_children[1:]:
            bare = not quoted and child.type not in ("string", "raw_string", "ansi_c_string")
            pieces = self._pieces(child, quoted, depth + 1)
            default += [self._split(piece) for piece in pieces] if bare else pieces
        return default or [Piece("", splits=not quoted)]

    def _open(self, name: str) -> bool:
        """Whether a variable is set to something that can't be read."""
        found = self.variables.get(name)
        return found is not None and not (found.known and all(word.known for word in found.words))

    def _array(self, name: str, raw: str) -> Piece:
        if name not in self.variables or not self.variables[name].known:
            return Piece(raw, False)
        return Piece("", fields=self.variables[name].words)

    def _variable(self, name: str, raw: str, quoted: bool) -> Piece:
        if name in _ALL_ARGUMENTS and not self.in_function:
            return Piece("", fields=())  # the script as it stands, called without arguments
        found = self.variables.get(name)
        if found is None or not found.known:
            return Piece(raw, False)
        if found.array and found.words:
            found = Variable(found.words[:1])
        value = found.text
        if len(value) > MAX_TEXT or not all(word.known for word in found.words):
            return Piece(raw, False)
        return Piece(value) if quoted else self._split(Piece(value))

    def _split(self, piece: Piece) -> Piece:
        """An unquoted value: bash cuts it at blanks, zsh only drops it where it is empty."""
        return piece._replace(splits=piece.fields is None and (self.splits or not piece.text))


def merged(states: list[dict[str, Variable]]) -> dict[str, Variable]:
    """The variables after branches that may each have run: known where all agree."""
    found = {}
    for name in dict.fromkeys(name for state in states for name in state):
        values = [state.get(name) for state in states]
        first = values[0]
        same = first is not None and all(value is not None and _same(value, first) for value in values)
        found[name] = first if same and first is not None else Variable((), known=False)
    return found


def _same(one: Variable, other: Variable) -> bool:
    return one is other or (
        one.known
        and other.known
        and one.array == other.array
        and [word[:1] + word[3:] for word in one.words] == [word[:1] + word[3:] for word in other.words]
    )


def _combine(pieces: list[Piece], place: Span, plain: bool) -> tuple[Word, ...]:
    """Words out of pieces: an unquoted value may end one word and begin the next."""
    words: list[Word] = []
    current: str | None = None
    known = True

    def close() -> None:
        nonlocal current, known
        if current is not None:
            words.append(Word(current, place, plain and known, known))
        current, known = None, True

    for piece in pieces:
        if piece.fields is not None:
            fields = [(word.text, word.known) for word in piece.fields]
        elif piece.splits:
            fields = [(part, piece.known) for part in re.findall(r"[^ \t\n]+", piece.text)]
        else:
            fields = [(piece.text, piece.known)]
        if piece.splits and piece.text[:1].isspace():
            close()
        for i, (part, part_known) in enumerate(fields):
            if i:
                close()
            current = (current or "") + part
            known = known and part_known
        if piece.splits and piece.text[-1:].isspace():
            close()
    close()
    return tuple(words)


def _literal(raw: str, quoted: bool) -> Piece:
    """Text without its backslashes; between double quotes only a few characters can be escaped."""
    pattern = r"\\(?:\n|([$`\"\\]))" if quoted else r"\\(?:\n|(.))"
    return Piece(re.sub(pattern, lambda match: match[1] or "", raw, flags=re.S))


def _ansi(raw: str) -> Piece:
    """`$'a\\tb'`; a byte above 127 would need its neighbours to be a character."""
    known = True

    def decoded(match: re.Match[str]) -> str:
        nonlocal known
        code = match[1] or match[2] or match[3]
        number = int(code, 16) if code else int(match[4], 8) if match[4] else -1
        if number < 0:
            return _ANSI_NAMED.get(match[5], match[5] if match[5] in "\\'\"?" else match[0])
        if number > 0x10FFFF or 0xD800 <= number < 0xE000 or (number > 127 and not (match[2] or match[3])):
            known = False
            return match[0]
        return chr(number)

    return Piece(_ANSI.sub(decoded, raw), known)


def _plain(node: Node) -> bool:
    """Whether the text at the node is the value itself: no expansion anywhere in it."""
    stack = [node]
    while stack:
        inner = stack.pop()
        if "expansion" in inner.type or "substitution" in inner.type or inner.type == "brace_expression":
            return False
        stack.extend(inner.named_children)
    return True


def source(node: Node) -> str:
    """The node's source text."""
    return (node.text or b"").decode("utf-8", "replace")


def span(node: Node) -> Span:
    """Where the node stands."""
    return Span(node.start_byte, node.end_byte)
