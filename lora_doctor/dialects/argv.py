"""A command line read the way argparse reads it: `--key value`, `--key=value`, several values, unambiguous prefixes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from lora_doctor.finding import Place
from lora_doctor.setting import Config, Key, KeyTable, Setting
from lora_doctor.source.document import Command, Document, Span, Word
from lora_doctor.source.edit import Edit, spell

_NUMBER = re.compile(r"^-?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$")


class Flag(NamedTuple):
    """One option with the words that belong to it; `inline` where the value stands behind `=`."""

    word: Word
    name: str
    values: tuple[Word, ...]
    inline: bool


def flags(words: tuple[Word, ...]) -> list[Flag]:
    """Group words into options; a word starting with `-` that is no number begins a new one."""
    found: list[Flag] = []
    for word in words:
        if word.text.startswith("--") and len(word.text) > 2:
            name, equals, value = word.text[2:].partition("=")
            found.append(Flag(word, name, (_inline(word, name, value),) if equals else (), bool(equals)))
        elif found and not found[-1].inline and not _is_option(word):
            found[-1] = found[-1]._replace(values=(*found[-1].values, word))
    return found


def _is_option(word: Word) -> bool:
    return word.text.startswith("-") and len(word.text) > 1 and not _NUMBER.match(word.text)


def _inline(word: Word, name: str, value: str) -> Word:
    """The part of `--name=value` behind the equals sign."""
    start = word.span.start + len(name.encode()) + 3
    quoted = word.literal and word.span.end - start != len(value.encode())  # quotes somewhere: don't guess where
    return Word(value, Span(start, word.span.end), word.literal and not quoted, word.known)


def command_config(document: Document, command: Command, words: tuple[Word, ...], table: KeyTable) -> Config:
    """Settings of one command: `words` are those behind the script's name."""
    config = Config(document, table, "--")
    config.anchor = Place(document, command.span if not words else words[0].span)
    config.insert = _inserter(document, words)
    for flag in flags(words):
        name = full_name(flag.name, table)
        config.settings[name] = _setting(document, flag, name, table.find(name))
    return config


def full_name(name: str, table: KeyTable) -> str:
    """argparse accepts any unambiguous beginning of an option's name."""
    if name in table.keys:
        return name
    candidates = [key for key in table.keys if key.startswith(name)]
    return candidates[0] if len(candidates) == 1 else name


def _setting(document: Document, flag: Flag, name: str, key: Key | None) -> Setting[Any]:
    value = _value(flag, key)
    single = flag.values[0] if len(flag.values) == 1 else None
    span = Span(flag.values[0].span.start, flag.values[-1].span.end) if flag.values else flag.word.span
    if flag.inline:
        span = flag.word.span if not flag.word.literal else flag.values[0].span
    place = Place(document, span, ("flag", name))
    origin = "written" if all(word.known for word in flag.values) else "unknown"
    value = value if origin == "written" else None

    def rewrite(new: Any) -> Edit | None:
        if single is None or not single.literal:
            return None
        return Edit(single.span, spell(document, new))

    return Setting(value, origin, f"--{name}", place, rewrite)


def _value(flag: Flag, key: Key | None) -> Any:
    kind = key.type if key else "str"
    texts = [word.text for word in flag.values]
    if kind.startswith("list"):
        inner = kind[5:-1] if "[" in kind else "str"
        return [_scalar(text, inner) for text in texts]
    if not texts:
        return True
    if kind == "bool" and not flag.inline and key is not None:  # a store_true flag takes no value: what follows is stray
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
    if kind == "bool":
        return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(text.lower(), text)
    return text


def _inserter(document: Document, words: tuple[Word, ...]) -> Callable[[str, Any], Edit | None]:
    def insert(key: str, value: Any) -> Edit | None:
        if not words or not words[-1].literal or document.name.lower().endswith((".ps1", ".bat", ".cmd")):
            return None
        text = f" --{key}" if value is True else f" --{key} {spell(document, value)}"
        return Edit(Span(words[-1].span.end, words[-1].span.end), text)

    return insert
