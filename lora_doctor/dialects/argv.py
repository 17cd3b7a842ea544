"""A command line read the way argparse reads it: `--key value`, `--key=value`, several values, unambiguous prefixes.

What argparse would refuse is kept in `Config.refused`; words that can't be read here (`$EXTRA`) make a config `open`.
Types of the key tables: `bool` is a switch without a value, `list[...]` takes several, a `?` behind the type makes the
value optional, any other takes one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

from lora_doctor.dialects.argv_refused import Refused, refusals
from lora_doctor.finding import Place
from lora_doctor.setting import Config, Key, KeyTable, Setting
from lora_doctor.source.document import Command, Document, Span, Word
from lora_doctor.source.edit import Edit, spell

_NUMBER = re.compile(r"^-\d+$|^-\d*\.\d+$")  # argparse's own: `-1e-4` is no number to it
_PLAIN = re.compile(r"[\w@%+=:,./\\-]+")
_GAP = re.compile(rb"(?:[ \t]|[\\^`]?\r?\n)+")
_ANY = 1 << 30


class Flag(NamedTuple):
    """One option with the words that belong to it; `inline` where the value stands behind `=`."""

    word: Word
    name: str
    values: tuple[Word, ...]
    inline: bool


class Line(NamedTuple):
    """A command's words in groups. `refused`: a word, the option it stands behind, and why argparse stops at it."""

    flags: tuple[Flag, ...]
    refused: tuple[Refused, ...]
    open: bool  # more options may follow that can't be read here


def flags(words: tuple[Word, ...]) -> list[Flag]:
    """Options of a command whose keys are not known: everything up to the next option is a value."""
    return list(read_line(words, None).flags)


def read_line(words: tuple[Word, ...], table: KeyTable | None) -> Line:
    """Group words into options as argparse does; without a table every option takes all that follows it."""
    found: list[Flag] = []
    refused: list[Refused] = []
    room, ended, is_open, taker = 0, False, False, False
    for word in words:
        kind = "value" if ended else _kind(word, table)
        if kind == "option":
            name, equals, value = word.text.lstrip("-").partition("=")
            name = full_name(name, table) if table else name
            found.append(Flag(word, name, (_inline(word, value),) if equals else (), bool(equals)))
            room, taker = 0 if equals else _room(name, table), True
        elif kind == "end":
            refused.append((word, "", "extra"))
            ended, room = True, 0
        elif kind != "value":
            refused.append((word, "", kind))
            room, taker = _ANY, False
        elif room:
            room -= 1
            if taker:
                found[-1] = found[-1]._replace(values=(*found[-1].values, word))
        elif not word.known:
            is_open, room, taker = True, _ANY, False  # what follows may belong to an option in there
        else:
            refused.append((word, found[-1].name if found else "", "extra"))
    for flag in found:
        refused += _objections(flag, table)
    return Line(tuple(found), tuple(refused), is_open)


def _kind(word: Word, table: KeyTable | None) -> str:
    """`option`, `value`, `end`, or why argparse stops at the word; decided in argparse's order."""
    text = word.text
    if not text.startswith("-") or text == "-":
        return "value"
    if text == "--":
        return "end"
    name = text.partition("=")[0]
    if table is not None and name.startswith("--"):
        matches = [key for key in table.keys if key.startswith(name[2:])]
        if name[2:] in table.keys or len(matches) == 1:
            return "option"
        if len(matches) > 1:
            return "ambiguous"
    if _NUMBER.match(text) or " " in text:
        return "value"
    return "option" if table is None or name.startswith("--") else "extra"


def _room(name: str, table: KeyTable | None) -> int:
    """How many words an option takes at most; an unknown one takes what follows with it into the error."""
    key = table.find(name) if table else None
    if key is None or key.type.startswith("list"):
        return _ANY
    return 0 if key.type == "bool" else 1


def _objections(flag: Flag, table: KeyTable | None) -> list[Refused]:
    """Where argparse stops at an option it knows; nothing where that can't be told."""
    key = table.find(flag.name) if table else None
    if key is None or not all(value.known for value in flag.values):
        return []
    if key.type == "bool":
        return [(flag.word, flag.name, "takes no value")] if flag.inline else []
    if key.type in ("list[int]", "list[float]"):
        read = zip(flag.values, _value(flag, key))
        return [(word, flag.name, "no number") for word, value in read if isinstance(value, str)]
    needed = not flag.values and not key.type.startswith("list") and not key.type.endswith("?")
    return [(flag.word, flag.name, "needs a value")] if needed else []


def _inline(word: Word, value: str) -> Word:
    """The part of `--name=value` behind the equals sign."""
    start = min(word.span.start + len(word.text.partition("=")[0].encode()) + 1, word.span.end)
    return Word(value, Span(start, word.span.end), word.literal, word.known)


def full_name(name: str, table: KeyTable) -> str:
    """argparse accepts any unambiguous beginning of an option's name."""
    if name in table.keys:
        return name
    candidates = [key for key in table.keys if key.startswith(name)]
    return candidates[0] if len(candidates) == 1 else name


def command_config(document: Document, command: Command, words: tuple[Word, ...], table: KeyTable) -> Config:
    """Settings of one command: `words` are those behind the script's name."""
    config = Config(document, table, "--")
    line = read_line(words, table)
    config.open = line.open
    all_words = (*command.words[: len(command.words) - len(words)], *words)
    before_them = all_words[: len(all_words) - len(words)]  # options may stand in an array that commands share
    config.anchor = Place(document, next((word.span for word in reversed(before_them)), command.span))
    config.insert = _inserter(document, all_words)
    before = {word.span: previous for previous, word in pairwise(all_words)}
    for flag in line.flags:
        setting = _setting(document, flag, before, table.find(flag.name))
        if flag.name in config.settings:  # argparse: the last one wins; without it the one before would
            config.repeated.append(config.settings[flag.name])
            setting = setting._replace(erase=None)
        config.settings[flag.name] = setting
    values = {flag.name: flag.values[-1] for flag in line.flags if flag.values}
    config.refused = refusals(document, line.refused, table, values, lambda words: _eraser(document, before, words)())
    return config


def _setting(document: Document, flag: Flag, before: dict[Span, Word], key: Key | None) -> Setting[Any]:
    known = all(word.known for word in flag.values)
    span = Span(flag.values[0].span.start, flag.values[-1].span.end) if flag.values else flag.word.span
    if span.start > span.end or (flag.inline and not _written_out(document, flag)):
        span = flag.word.span
    place = Place(document, span, ("flag", flag.name))
    return Setting(
        _value(flag, key) if known else None,
        "written" if known else "unknown",
        f"--{flag.name}",
        place,
        lambda new: _rewrite(document, flag, span, new),
        _eraser(document, before, (flag.word, *(() if flag.inline else flag.values))),
        lambda new: _rename(document, flag, new),
        Place(document, flag.word.span, place.path),
    )


def _written_out(document: Document, flag: Flag) -> bool:
    """Whether `--name=` stands in the file as it is, so that what follows it is the value."""
    start, name = flag.word.span.start, flag.word.text.partition("=")[0].encode() + b"="
    return document.text[start : start + len(name)] == name


def _rewrite(document: Document, flag: Flag, span: Span, new: Any) -> Edit | None:
    literal = all(word.literal for word in flag.values) and flag.values
    if not literal or (flag.inline and not _written_out(document, flag)):
        return None
    gaps = pairwise(flag.values)
    if not all(_GAP.fullmatch(document.text[one.span.end : two.span.start]) for one, two in gaps):
        return None
    text = _spell(document, new)
    return Edit(span, text) if text else None


def _rename(document: Document, flag: Flag, new: str) -> Edit | None:
    start = flag.word.span.start
    written = flag.word.text.partition("=")[0]
    place = Span(start, start + len(written.encode()))
    return Edit(place, f"--{new}") if document.text[place.start : place.end] == written.encode() else None


def _eraser(document: Document, before: dict[Span, Word], words: tuple[Word, ...]) -> Callable[[], Edit | None]:
    """Removes neighbouring words with the blanks and the line break before them, so the continuations stay whole."""

    def erase() -> Edit | None:
        previous = before.get(words[0].span)
        line = (previous, *words) if previous is not None else ()
        for one, two in pairwise(line):
            if one is None or not two.literal or not _GAP.fullmatch(document.text[one.span.end : two.span.start]):
                return None
        return Edit(Span(line[0].span.end, words[-1].span.end), "") if previous is not None else None

    return erase


def _value(flag: Flag, key: Key | None) -> Any:
    kind = key.type.rstrip("?") if key else "str"
    texts = [word.text for word in flag.values]
    if kind.startswith("list"):
        inner = kind[5:-1] if "[" in kind else "str"
        return [_scalar(text, inner) for text in texts]
    if not texts or (kind == "bool" and not flag.inline):
        return True
    return _scalar(texts[0], kind)


def _scalar(text: str, kind: str) -> Any:
    """The value argparse's `type=` makes of a word; a word it would refuse stays text, for a rule to judge."""
    try:
        if kind == "int":
            return int(text)
        if kind == "float":
            return float(text)
        if kind == "int|float":
            return float(text) if any(mark in text for mark in ".eE") else int(text)
    except ValueError:
        return text
    if kind == "bool":  # `--flag=false`: argparse stops, trainers with an own reader take it
        return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(text.lower(), text)
    return text


def _spell(document: Document, value: Any) -> str | None:
    """The value as the script's own shell quotes it."""
    text = spell(document, value)
    if document.name.lower().endswith((".bat", ".cmd")) and "'" in text:
        plain = str(value)
        return f'"{plain}"' if isinstance(value, str) and '"' not in plain and "%" not in plain else None
    return text


def _inserter(document: Document, words: tuple[Word, ...]) -> Callable[[str, Any], Edit | None]:
    def insert(key: str, value: Any) -> Edit | None:
        spelled = "" if value is True else _spell(document, value)
        if spelled is None or not words or any(word.text == "--" for word in words):  # behind `--` no option is read
            return None
        end = words[-1].span.end
        return Edit(Span(end, end), f"{_gap(document, words)}--{key}" + (f" {spelled}" if spelled else ""))

    return insert


def _mark(document: Document) -> bytes:
    """What continues a line: a backslash, PowerShell's backtick, cmd's `^`."""
    return {"ps1": b"`", "bat": b"^", "cmd": b"^"}.get(document.name.lower().rpartition(".")[2], b"\\")


def _gap(document: Document, words: tuple[Word, ...]) -> str:
    """What stands between the last options: a blank, or a continued line with its indentation."""
    for previous, word in reversed(list(pairwise(words))):
        gap = document.text[previous.span.end : word.span.start]
        if word.text.startswith("--"):
            continued = b"\n" not in gap or _mark(document) in gap
            return gap.decode() if continued and _GAP.fullmatch(gap) else " "
    return " "
