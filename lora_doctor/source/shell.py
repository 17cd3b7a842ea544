"""Shell scripts and dotenv files: commands as words, variables expanded from earlier assignments.

Comments, continuations and quoting are tree-sitter's; each word keeps the place it was written at, so that a flag
kept in an array is reported in the array. What a branch, a loop or a function leaves open is unknown after it.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from lora_doctor.source.document import Command, Comment, Document, Entry, SourceError, Span, Word
from lora_doctor.source.shell_words import MAX_DEPTH, MAX_WORDS, Variable, Words, merged, source, span

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

BOM = b"\xef\xbb\xbf"
_BRANCHES = frozenset(
    ("if_statement", "case_statement", "while_statement", "for_statement", "c_style_for_statement",
     "function_definition", "subshell", "list")
)  # fmt: skip
_CLAUSES = frozenset(("elif_clause", "else_clause", "case_item"))


@cache
def _parser() -> Parser:
    import tree_sitter_bash
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_bash.language()))


def parse_shell(name: str, text: bytes) -> Document:
    """Read a POSIX or bash script, a dotenv file, a PowerShell script (`.ps1`) or a batch file (`.bat`, `.cmd`)."""
    suffix = name.lower().rpartition(".")[2]
    document = Document(name, text, "shell")
    plain = text.replace(BOM, b"   ", 1) if text.startswith(BOM) else text
    if suffix == "ps1":
        from lora_doctor.source.powershell import read_powershell as read
    elif suffix in ("bat", "cmd"):
        from lora_doctor.source.batch import read_batch as read
    else:
        read = _read_posix
    read(document, plain)
    document.entries[()] = Entry(None, Span(0, len(text)))
    document.data = {path[1]: entry.value for path, entry in document.entries.items() if len(path) == 2}
    document.comments.sort(key=lambda comment: comment.span)
    return document


def _read_posix(document: Document, data: bytes) -> None:
    """Windows line ends are read as if they were not there; what bash makes of them is for a rule to say."""
    plain = data.replace(b"\\\r\n", b"\\\n ").replace(b"\r\n", b" \n")
    root = _parser().parse(plain).root_node
    _refuse_open_quote(root)
    zsh = document.name.lower().endswith(".zsh") or re.match(rb"#!\S*(/|env )zsh", plain) is not None
    _Reader(document, Words(splits=not zsh), plain).walk(root, 0)


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
    """Walks a script in the order of the text and fills the document."""

    def __init__(self, document: Document, words: Words, plain: bytes) -> None:
        self.document = document
        self.words = words
        self.plain = plain
        self.count = 0

    def walk(self, root: Node, depth: int) -> None:
        """Everything below a node; branches are walked one by one."""
        if depth > MAX_DEPTH:
            raise SourceError("not a readable script: nested too deeply", *_place(root))
        stack = [root]
        while stack:
            node = stack.pop()
            if node.type == "comment":
                self.document.comments.append(Comment(source(node), span(node)))
            elif node.type == "variable_assignment" and not _is_option(node):
                self._assign(node)
            elif node.type == "command" or (_is_option(node) and not _is_part(node)):
                self._command(node)
            elif node.type == "unset_command":
                for child in node.named_children:
                    self.words.variables.pop(source(child), None)
            if node.type in _BRANCHES and node is not root:
                self._branches(node, depth)
            else:
                stack.extend(reversed(node.named_children))

    def _branches(self, node: Node, depth: int) -> None:
        """Each branch starts from the variables before it; afterwards only what all agree on is known."""
        if node.type == "list":
            return self._list(node, depth)
        before = dict(self.words.variables)
        ends = [before]
        outer = self.words.in_function
        self.words.in_function = outer or node.type == "function_definition"
        self._loop_variable(node)
        for child in node.named_children:
            if child.type in _CLAUSES:
                ends.append(self.words.variables)
                self.words.variables = dict(before)
            self.walk(child, depth + 1) if child.type not in _BRANCHES else self._nested(child, depth + 1)
        ends.append(self.words.variables)
        self.words.in_function = outer
        if node.type == "if_statement" and any(child.type == "else_clause" for child in node.named_children):
            ends = ends[1:]
        self.words.variables = before if node.type == "subshell" else merged(ends)
        return None

    def _nested(self, node: Node, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise SourceError("not a readable script: nested too deeply", *_place(node))
        self._branches(node, depth)

    def _list(self, node: Node, depth: int) -> None:
        """`a && b || c`: each part runs or not; a variable first set here is taken as set (`[ -z "$X" ] && X=1`)."""
        parts: list[Node] = []
        while node.type == "list":  # nests to the left
            parts += reversed(node.named_children[1:])
            node = node.named_children[0]
        before = dict(self.words.variables)
        for part in (node, *reversed(parts)):
            self.walk(part, depth + 1) if part.type not in _BRANCHES else self._nested(part, depth + 1)
        known = {name: value for name, value in self.words.variables.items() if name not in before}
        self.words.variables = merged([before, self.words.variables]) | known

    def _loop_variable(self, node: Node) -> None:
        """`for x in a`: one value is known, several are not."""
        if node.type != "for_statement" or not node.named_children:
            return
        name, *rest = node.named_children
        values = [word for child in rest if child.type != "do_group" for word in self.words.expand(child)]
        single = len(values) == 1 and values[0].known
        self.words.variables[source(name)] = Variable(tuple(values) if single else (), known=single)

    def _assign(self, node: Node) -> None:
        name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        if name is None:
            return
        key = source(name)
        if value is not None and value.type == "array":
            words = self.words.expand(value)
        else:
            place = Span(node.end_byte, node.end_byte)
            words = (self.words.value(value) if value is not None else Word("", place),)
        place = span(value) if value is not None else Span(node.end_byte, node.end_byte)
        variable = Variable(words, value is not None and value.type == "array")
        if source(node)[len(key) :].startswith("+="):
            variable = self._appended(key, variable, place)
        literal = len(variable.words) == 1 and variable.words[0].literal
        self.document.entries[("env", key)] = Entry(variable.text, place, span(name), literal)
        if node.parent is None or node.parent.type != "command":  # `X=1 command` sets it there only
            self.words.variables[key] = variable

    def _appended(self, key: str, more: Variable, place: Span) -> Variable:
        found = self.words.variables.get(key, Variable((), more.array))
        if more.array or found.array:
            return Variable((*found.words, *more.words), True, found.known)
        known = all(word.known for word in (*found.words, *more.words))
        return Variable((Word(found.text + more.text, place, False, known),), False, found.known)

    def _option(self, node: Node) -> tuple[Word, ...]:
        """`--rank=16` at the beginning of a command, which the grammar takes for an assignment."""
        value = node.child_by_field_name("value")
        word = self.words.value(value) if value is not None else Word("", Span(node.end_byte, node.end_byte))
        before = self.plain[node.start_byte : word.span.start].decode("utf-8", "replace")
        return (Word(before + word.text, span(node), word.literal, word.known),)

    def _command(self, node: Node) -> None:
        """One command; options that begin a line belong to the next one, whatever the grammar says."""
        group: list[Node] = []
        for part in [node] if node.type == "variable_assignment" else node.named_children:
            if group and re.search(rb"(?<!\\)\n", self.plain[group[-1].end_byte : part.start_byte]):
                self._simple(group)
                group = []
            group.append(part)
        self._simple(group)

    def _simple(self, parts: list[Node]) -> None:
        words: list[Word] = []
        end = parts[0].start_byte
        for part in parts:
            if _is_option(part) or not ("redirect" in part.type or part.type in ("comment", "variable_assignment")):
                expanded = self._option(part) if _is_option(part) else self.words.expand(part)
                more = self._glued(self._blanks(end, part.start_byte), expanded)
                if words and part.start_byte == end:  # one word that the grammar cuts in two
                    place = Span(words[-1].span.start, part.end_byte)
                    raw = self.plain[place.start : place.end].decode("utf-8", "replace")
                    words[-1] = Word(raw, place, False, False)
                else:
                    words += more
            end = part.end_byte
        if not words:
            return
        words += self._blanks(end, len(self.plain))
        self.count += len(words)
        if self.count > MAX_WORDS:
            raise SourceError(f"not a readable script: its variables expand to more than {MAX_WORDS:,} words")
        self.document.commands.append(Command(tuple(words), Span(parts[0].start_byte, end)))
        if words[0].text in ("read", "mapfile", "readarray"):
            for word in words[1:]:
                self.words.variables[word.text] = Variable((), known=False)

    def _blanks(self, start: int, end: int) -> list[Word]:
        """`\\ `, a backslash with a blank behind it: a word of its own to bash, which tree-sitter passes over."""
        gap = re.compile(rb"(?:\\?[ \t]|\\\n)*").match(self.plain, start, end)
        found = [] if gap is None else re.finditer(rb"(?:\\[ \t])+", gap[0])
        return [
            Word(match[0].decode().replace("\\", ""), Span(start + match.start(), start + match.end()))
            for match in found
        ]

    @staticmethod
    def _glued(blanks: list[Word], words: tuple[Word, ...]) -> list[Word]:
        """Escaped blanks before a word; the one that touches it belongs to it."""
        if blanks and words and blanks[-1].span.end == words[0].span.start:
            first = words[0]._replace(text=blanks[-1].text + words[0].text)
            return [*blanks[:-1], first._replace(span=Span(blanks[-1].span.start, first.span.end)), *words[1:]]
        return [*blanks, *words]


def _is_option(node: Node) -> bool:
    """Whether an assignment's name can be none: `--rank=16` begins a command whose line before was cut off."""
    if node.type == "variable_assignments":
        return bool(node.named_children) and _is_option(node.named_children[0])
    name = node.child_by_field_name("name") if node.type == "variable_assignment" else None
    return name is not None and source(name).startswith("-")


def _is_part(node: Node) -> bool:
    """Whether a node's words are read with those of the command around it."""
    return node.parent is not None and node.parent.type in ("command", "variable_assignments")
