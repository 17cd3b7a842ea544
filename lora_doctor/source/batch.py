"""Batch files (`.bat`, `.cmd`): `^` continues a line when it is its very last character, only `"` quotes."""

from __future__ import annotations

import re

from lora_doctor.source.document import Document, SourceError, Span, Word
from lora_doctor.source.windows import Scanner

_COMMENT = re.compile(r"[ \t]*@?[ \t]*(rem(?=[ \t\r\n]|$)|::?)", re.I)
_SET = re.compile(r'[ \t@]*set[ \t]+("?)([^=/"\s][^="\r\n]*)=([^\r\n]*)', re.I)
_VARIABLE = re.compile(r"%(?:(\w+)%|(~?\w*\d)|\*|%~?\w+)|!(\w+)!")


def read_batch(document: Document, data: bytes) -> None:
    """Fill a document with the commands, comments and variables of a batch file."""
    scan = Scanner(document, data)
    while scan.at < len(scan.source):
        if not scan.words and _line_start(scan):
            continue
        char = scan.source[scan.at]
        if char in " \t\r,;=" and not (char in ",;=" and scan.words):
            scan.at += 1
        elif _continued(scan):
            scan.at = scan.source.index("\n", scan.at) + 1
        elif char in "\n&|" or (char in "@(" and not scan.words) or (char == ")" and scan.blocks):
            scan.at += 1
            scan.close()
            if char in "()":
                scan.open_block() if char == "(" else scan.close_block()
        elif char in "<>":
            _redirect(scan)
        else:
            _word(scan)
    scan.close()


def _line_start(scan: Scanner) -> bool:
    """Comments, labels and `set`, which begin a command."""
    comment = _COMMENT.match(scan.source, scan.at)
    if comment:
        scan.at = comment.start(1)
        scan.comment(scan.line_end(scan.at))
        return True
    found = _SET.match(scan.source, scan.at)
    if not found:
        return False
    value = found[3].rstrip()
    if found[1]:
        value = value.rpartition('"')[0] if '"' in value else value
    start, scan.at = found.start(3), found.end()
    name = found[2].strip()
    word = _expanded(scan, value, start, start + len(value))
    scan.assign(name, Span(found.start(2), found.start(2) + len(name)), (word,), word.span)
    return True


def _expanded(scan: Scanner, text: str, start: int, end: int) -> Word:
    """A value with the variables in it; cmd puts their text in before it looks at anything else."""
    known = True

    def value(match: re.Match[str]) -> str:
        nonlocal known
        found = scan.variables.get((match[1] or match[3] or "").lower())
        if found is None or not found.known:
            known = False
            return match[0]
        return found.text

    expanded = _VARIABLE.sub(value, text)
    return Word(expanded, Span(start, end), expanded == text, known)


def _continued(scan: Scanner) -> bool:
    return bool(re.match(r"\^\r?\n", scan.source[scan.at : scan.at + 3]))


def _redirect(scan: Scanner) -> None:
    """`> file`, `2>&1`: not words of the command."""
    if scan.words and scan.words[-1].text in ("1", "2") and scan.words[-1].span.end == scan.at:
        scan.words.pop()
    found = re.compile(r'[<>]+(&\d|[ \t]*("[^"\r\n]*"|[^\s&|]+))?').match(scan.source, scan.at)
    scan.at = found.end() if found else scan.at + 1


def _word(scan: Scanner) -> None:
    """One word; a value without quotes that holds blanks becomes several."""
    start = scan.at
    parts: list[tuple[str, bool]] = []  # text, quoted
    quoted = False
    while scan.at < len(scan.source):
        char = scan.source[scan.at]
        if char == '"':
            quoted = not quoted
            parts.append(("", True))
            scan.at += 1
        elif char == "\\" and scan.rest[:2] == '\\"':  # the program's own rule: an escaped quote
            parts.append(('"', True))
            scan.at += 2
        elif char in "\r\n":
            break
        elif not quoted and char == "^":
            if _continued(scan):
                break
            escaped = scan.source[scan.at + 1 : scan.at + 2]
            parts.append((escaped, True))
            scan.at += 1 + len(escaped)
        elif not quoted and (char in " \t&|<>" or (char == ")" and scan.blocks)):
            break
        elif not quoted and char == "(" and scan.words and scan.words[0].text.lower() in ("if", "for", "else"):
            scan.close()
            scan.at += 1
            return scan.open_block()
        else:
            parts.append((char, quoted))
            scan.at += 1
    if quoted:
        line = scan.source.count("\n", 0, start) + 1
        raise SourceError("not a readable script: a quote is opened here and never closed", line)
    return _close_word(scan, parts, start)


def _close_word(scan: Scanner, parts: list[tuple[str, bool]], start: int) -> None:
    text = "".join(part for part, _ in parts)
    word = _expanded(scan, text, start, scan.at)
    if word.text == text or not word.known or any(quoted for _, quoted in parts):
        scan.word(word.text, start, literal=word.literal, known=word.known)
        return
    for piece in word.text.replace('"', "").split():
        scan.word(piece, start, literal=False)
