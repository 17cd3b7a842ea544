"""PowerShell scripts: a backtick continues a line when it is its very last character; `@name` passes an array."""

from __future__ import annotations

import re

from lora_doctor.source.document import Document, SourceError, Span, Word
from lora_doctor.source.shell_words import Variable
from lora_doctor.source.windows import Scanner

_ASSIGN = re.compile(r"(?:\[[\w.\[\]]+\][ \t]*)?\$(?:(?:env|script|global|local):)?(\w+)[ \t]*(\+?=)[ \t]*", re.I)
_NAME = re.compile(r"\$(?:(?:env|script|global|local):)?(\w+)|\$\{(?:env:)?(\w+)\}", re.I)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "e": "\x1b"}
_END = " \t\r\n;|&(){}"


def read_powershell(document: Document, data: bytes) -> None:
    """Fill a document with the commands, comments and variables of a PowerShell script."""
    scan = Scanner(document, data)
    while scan.at < len(scan.source):
        char = scan.source[scan.at]
        if char in " \t\r":
            scan.at += 1
        elif _continued(scan):
            scan.at = scan.source.index("\n", scan.at) + 1
        elif _comment(scan) or (not scan.words and _assignment(scan)):
            continue
        elif char in "\n;|&{})" or (char == "(" and not scan.words):
            _block(scan, char)
        elif char == ">" or re.match(r"\d>", scan.rest):
            found = re.compile(r"\d?>+(&\d|[ \t]*[^\s;|]+)?").match(scan.source, scan.at)
            scan.at = found.end() if found else scan.at + 1
        else:
            for word in _argument(scan):
                scan.word(word.text, word.span.start, literal=word.literal, known=word.known)
                scan.words[-1] = scan.words[-1]._replace(span=word.span)
    scan.close()


def _continued(scan: Scanner) -> bool:
    return bool(re.match(r"`\r?\n", scan.rest))


def _comment(scan: Scanner) -> bool:
    if scan.rest.startswith("<#"):
        end = scan.source.find("#>", scan.at)
        scan.comment(len(scan.source) if end < 0 else end + 2)
        return True
    if scan.rest.startswith("#"):
        scan.comment(scan.line_end(scan.at))
        return True
    return False


def _block(scan: Scanner, char: str) -> None:
    """Ends of commands; what a `{...}` block assigns is open after it."""
    scan.at += 1
    scan.close()
    if char == "{":
        scan.open_block()
    elif char == "}":
        scan.close_block()


def _assignment(scan: Scanner) -> bool:
    found = _ASSIGN.match(scan.source, scan.at)
    if not found:
        return False
    scan.at = start = found.end()
    name, key = found[1], Span(found.start(1), found.end(1))
    words, array = _value(scan)
    if found[2] == "+=":
        before = scan.variables.get(name.lower(), Variable((), known=False))
        if before.array or array:
            words = (*before.words, *words)
        else:
            words = (Word(before.text + "".join(w.text for w in words), Span(start, scan.at), False),)
        array = array or before.array
        if not before.known:
            words = (*words, Word("", Span(start, scan.at), False, False))
    scan.assign(name, key, words, Span(start, scan.at), array=array)
    return True


def _value(scan: Scanner) -> tuple[tuple[Word, ...], bool]:
    """The right side of an assignment: a string, a number, a list of them; anything else is unknown."""
    start = scan.at
    array = scan.rest.startswith("@(")
    scan.at += 2 if array else 0
    words: list[Word] = []
    known = True
    while scan.at < len(scan.source):
        char = scan.source[scan.at]
        if char in " \t\r," or (array and char == "\n") or _continued(scan):
            scan.at += 2 if char == "`" else 1
        elif array and _comment(scan):
            continue
        elif array and char == ")":
            scan.at += 1
            break
        elif char in "\n;#}" and not array:
            break
        elif char in "\"'$" or re.match(r"[\w.-]", char):
            words += _argument(scan, ",")
        else:
            known = False
            _skip(scan, array)
    end = words[-1].span.end if words and not array else scan.at
    commas = len(words) > 1 and "," in scan.source[words[0].span.end : words[1].span.start]
    if not known or (len(words) > 1 and not array and not commas):
        return (Word(scan.source[start:end], Span(start, end), False, False),), array
    return tuple(words), array or commas


def _skip(scan: Scanner, array: bool) -> None:
    """Pass an expression that can't be read here."""
    found = re.compile(r"[^\n;)]+|[)]" if array else r"[^\n;]+").match(scan.source, scan.at)
    scan.at = found.end() if found else scan.at + 1


def _argument(scan: Scanner, ends: str = "") -> list[Word]:
    """One argument: a bare word with strings and variables in it, or an array, which becomes several words."""
    start = scan.at
    splat = re.compile(r"[@$](\w+)(?=[\s;|)]|$)").match(scan.source, scan.at)
    if splat:
        found = scan.variables.get(splat[1].lower())
        if splat[0][0] == "@" or (found is not None and found.array):
            scan.at = splat.end()
            raw = Word(splat[0], Span(start, scan.at), False, False)
            return list(found.words) if found is not None and found.known else [raw]
    text, literal, known = "", True, True
    while scan.at < len(scan.source) and not _continued(scan):
        char = scan.source[scan.at]
        if char in _END + ends:
            break
        part, plain, sure = _part(scan, char)
        text, literal, known = text + part, literal and plain, known and sure
    if scan.at == start:  # `(expression)` as an argument
        scan.at = max(_closed(scan, scan.at), start + 1)
        return [Word(scan.source[start : scan.at], Span(start, scan.at), False, False)]
    return [Word(text, Span(start, scan.at), literal, known)]


def _part(scan: Scanner, char: str) -> tuple[str, bool, bool]:
    """The next stretch of an argument: its text, whether it stands so in the file, whether it is known."""
    if char == "'":
        found = re.compile(r"'((?:[^']|'')*)'").match(scan.source, scan.at)
        if not found:
            raise _open_quote(scan)
        scan.at = found.end()
        return found[1].replace("''", "'"), True, True
    if char == '"':
        return _double(scan)
    if re.match(r"@[\"']\r?\n", scan.rest):  # a here-string ends where its mark begins a line
        end = scan.source.find(f"\n{scan.rest[1]}@", scan.at)
        start, scan.at = scan.at, len(scan.source) if end < 0 else end + 3
        return scan.source[start : scan.at], False, False
    if char == "`":
        escaped = scan.source[scan.at + 1 : scan.at + 2]
        scan.at += 1 + len(escaped)
        return escaped, True, True
    if char == "$":
        return _variable(scan)
    scan.at += 1
    return char, True, True


def _double(scan: Scanner) -> tuple[str, bool, bool]:
    scan.at += 1
    text, literal, known = "", True, True
    while scan.at < len(scan.source):
        char = scan.source[scan.at]
        if scan.rest.startswith('""'):
            text, scan.at = text + '"', scan.at + 2
        elif char == '"':
            scan.at += 1
            return text, literal, known
        elif char == "`":
            escaped = scan.source[scan.at + 1 : scan.at + 2]
            text, scan.at = text + _ESCAPES.get(escaped, escaped), scan.at + 1 + len(escaped)
        elif char == "$":
            part, plain, sure = _variable(scan)
            text, literal, known = text + part, literal and plain, known and sure
        else:
            text, scan.at = text + char, scan.at + 1
    raise _open_quote(scan)


def _variable(scan: Scanner) -> tuple[str, bool, bool]:
    found = _NAME.match(scan.source, scan.at)
    if not found:
        start, scan.at = scan.at, _closed(scan, scan.at + 1)
        text = scan.source[start : scan.at]
        return text, text == "$", text == "$"
    scan.at = found.end()
    value = scan.variables.get((found[1] or found[2]).lower())
    member = scan.source[scan.at : scan.at + 1] in ("[", ":") and not found[2]
    if value is None or not value.known or member:
        return found[0], False, False
    return value.text, False, True


def _closed(scan: Scanner, at: int) -> int:
    """Behind the parenthesis that closes the one at `at`, or the end; `at` itself where none stands there."""
    depth, quote = 0, ""
    while at < len(scan.source):
        char = scan.source[at]
        if quote or (depth and char in "\"'"):
            quote = "" if char == quote else quote or char
        else:
            depth += (char == "(") - (char == ")")
            if depth <= 0:
                return at + (char == ")" and depth == 0)
        at += 1
    return at


def _open_quote(scan: Scanner) -> SourceError:
    line = scan.source.count("\n", 0, min(scan.at, len(scan.source))) + 1
    return SourceError("not a readable script: a quote is never closed", line)
