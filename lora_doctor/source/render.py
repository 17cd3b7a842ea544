"""Text from values: TOML, YAML and JSON files and command lines, each value with its comment where there may be one.

Whatever is written here reads back as the same values: `tests/source/test_render.py` holds it for any text and number.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from lora_doctor.source.document import KeyPath

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_PLAIN_YAML = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*")
_YAML_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "none", "y", "n", "nan", "inf"})
_PLAIN_WORD = re.compile(r"[\w@%+=:,./-]+", re.ASCII)
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")


class Row(NamedTuple):
    """One value: where it stands (names and list positions), and what is to be said beside it."""

    path: KeyPath
    value: Any
    comment: str = ""


class _Leaf(NamedTuple):
    value: Any
    comment: str


def toml(rows: Iterable[Row], head: str = "") -> str:
    """A TOML document; dictionaries within a value are written inline."""
    lines = _comments(head)
    _toml_table(_tree(rows), (), lines)
    return "\n".join(lines).strip("\n") + "\n"


def yaml(rows: Iterable[Row], head: str = "") -> str:
    """A YAML document in block style, lists of plain values in brackets."""
    lines = _comments(head)
    _yaml_table(_tree(rows), "", lines)
    return "\n".join(lines) + "\n"


def json_text(rows: Iterable[Row]) -> str:
    """A JSON document; it has no place for comments."""
    return json.dumps(_plain(_tree(rows)), indent=2, ensure_ascii=False) + "\n"


def command(words: Sequence[str], rows: Iterable[Row], head: str = "", powershell: bool = False) -> str:
    """A command with one option a line; comments stand above it, as nothing may follow a continued line's mark.

    True is a bare flag, False is left out, a list is one option with several words.
    """
    quote = powershell_word if powershell else shell_word
    kept = [row for row in rows if row.value is not False and row.value is not None]
    lines = _comments(head)
    lines += [f"# --{row.path[-1]}: {_one_line(row.comment)}" for row in kept if row.comment]
    parts = [" ".join(map(quote, words)), *(_option(row, quote) for row in kept)]
    mark = " `\n  " if powershell else " \\\n  "
    return "\n".join([*lines, mark.join(parts)]) + "\n"


def _option(row: Row, quote: Any) -> str:
    name = f"--{row.path[-1]}"
    if row.value is True:
        return name
    values = row.value if isinstance(row.value, (list, tuple)) else [row.value]
    return " ".join([name, *(quote(_word(value)) for value in values)])


def shell_word(text: str) -> str:
    """A word as a POSIX shell reads it."""
    return text if _PLAIN_WORD.fullmatch(text) else "'" + text.replace("'", "'\\''") + "'"


def powershell_word(text: str) -> str:
    """A word as PowerShell reads it."""
    plain = _PLAIN_WORD.fullmatch(text) and "," not in text and text[0] != "@"
    return text if plain else "'" + text.replace("'", "''") + "'"


def _word(value: Any) -> str:
    return number(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def _comments(text: str) -> list[str]:
    return [f"# {_one_line(line)}" for line in text.splitlines() if line.strip()]


def _one_line(text: str) -> str:
    return _ESCAPED.sub("\N{REPLACEMENT CHARACTER}", " ".join(text.split()))


def _tree(rows: Iterable[Row]) -> dict[str | int, Any]:
    """Nested tables; a table whose names are positions stands for a list."""
    root: dict[str | int, Any] = {}
    for path, value, comment in rows:
        node = root
        for part in path[:-1]:
            node = node.setdefault(part, {})
        node[path[-1]] = _Leaf(value, comment)
    return root


def _is_list(node: Any) -> bool:
    return isinstance(node, dict) and bool(node) and all(isinstance(key, int) for key in node)


def _plain(node: Any) -> Any:
    if isinstance(node, _Leaf):
        return node.value
    if _is_list(node):
        return [_plain(item) for item in node.values()]
    return {str(key): _plain(item) for key, item in node.items()}


def _toml_table(node: dict[str | int, Any], path: tuple[str, ...], lines: list[str]) -> None:
    """Plain keys first: whatever follows a header belongs to its table."""
    for key, item in node.items():
        if isinstance(item, _Leaf):
            lines.append(f"{_toml_key(key)} = {toml_value(item.value)}{_beside(item.comment)}")
    for key, item in node.items():
        if isinstance(item, _Leaf):
            continue
        name = ".".join((*path, _toml_key(key)))
        for table, header in (
            [(each, f"[[{name}]]") for each in item.values()] if _is_list(item) else [(item, f"[{name}]")]
        ):
            lines += ["", header]
            _toml_table(table, (*path, _toml_key(key)), lines)


def _beside(comment: str) -> str:
    return f"  # {_one_line(comment)}" if comment else ""


def _toml_key(key: str | int) -> str:
    return str(key) if _BARE_KEY.fullmatch(str(key)) else quoted(str(key))


def toml_value(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml_key(key)} = {toml_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    if isinstance(value, str):
        plain = "\\" in value and "'" not in value and value.isprintable()
        return f"'{value}'" if plain else quoted(value)  # a Windows path stays readable
    return number(value)


def _yaml_table(node: dict[str | int, Any], indent: str, lines: list[str]) -> None:
    for key, item in node.items():
        name = yaml_value(str(key))
        if isinstance(item, _Leaf):
            lines.append(f"{indent}{name}: {yaml_value(item.value)}{_beside(item.comment)}")
            continue
        lines.append(f"{indent}{name}:")
        if not _is_list(item):
            _yaml_table(item, f"{indent}  ", lines)
            continue
        for each in item.values():
            first = len(lines)
            _yaml_table(each, f"{indent}    ", lines)
            lines[first] = f"{indent}  - {lines[first][len(indent) + 4 :]}"


def yaml_value(value: Any) -> str:
    """A value as YAML 1.1 writes it, which PyYAML and ruamel read alike."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{yaml_value(key)}: {yaml_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(yaml_value(item) for item in value) + "]"
    if isinstance(value, str):
        return value if _PLAIN_YAML.fullmatch(value) and value.lower() not in _YAML_WORDS else quoted(value)
    return "null" if value is None else number(value)


def quoted(text: str) -> str:
    """A double-quoted string that TOML, YAML and JSON all read alike."""
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(text, ensure_ascii=False))


def number(value: float) -> str:
    """A number that every reader takes for one: `1e-4` has no point, and YAML 1.1 takes it for text."""
    text = repr(value)
    if not isinstance(value, float) or "e" not in text:
        return text
    mantissa, _, exponent = text.partition("e")
    sign = "-" if exponent.startswith("-") else "+"
    return f"{mantissa if '.' in mantissa else f'{mantissa}.0'}e{sign}{exponent.lstrip('+-').lstrip('0') or '0'}"
