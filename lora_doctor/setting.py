"""A trainer's settings: each value with where it came from, and the table of keys the trainer reads."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeVar

from lora_doctor.finding import Finding, Fix, Place, Related
from lora_doctor.source.document import Document
from lora_doctor.source.edit import Edit

T = TypeVar("T")
U = TypeVar("U")
_INDEX = re.compile(r"(?<=\.)\d+(?=\.|$)|^\d+(?=\.|$)")
_EXPONENT = re.compile(r"(?<=\d)e-0")  # people write 1e-4, Python prints 1e-04
KEYS = Path(__file__).parent / "dialects" / "keys"


class Setting(NamedTuple, Generic[T]):
    """One value with its provenance.

    `origin` is `written` (it stands at `place`), `default` (the trainer's default; `place` is the table it would stand
    in) or `unknown` (the trainer has no such setting, or its value can't be read here; `value` is then None).
    `rewrite`, `erase` and `rename` make the edit that writes another value, removes the key or gives it another name,
    None where that is not possible.
    """

    value: T | None = None
    origin: str = "unknown"
    key: str = ""
    place: Place | None = None
    rewrite: Callable[[Any], Edit | None] | None = None
    erase: Callable[[], Edit | None] | None = None
    rename: Callable[[str], Edit | None] | None = None
    name_place: Place | None = None  # where the key itself stands, for findings about the key

    @property
    def written(self) -> bool:
        """Whether the user wrote it."""
        return self.origin == "written"

    def map(self, convert: Callable[[T], U | None]) -> Setting[U]:
        """The same setting in another unit or type; a value that can't be converted becomes unknown.

        Where the value does change, nothing can be written through the result: a rule would write our unit.
        """
        value = None if self.value is None else convert(self.value)
        origin = self.origin if value is not None else "unknown"
        same = type(value) is type(self.value) and value == self.value
        return Setting(value, origin, self.key, self.place, self.rewrite if same else None, *self[5:])

    def finding(
        self, message: str, action: str = "", fix: Fix | None = None, related: tuple[Related, ...] = ()
    ) -> Finding:
        """A finding at this setting (at the table it belongs in, when it is not written)."""
        assert self.place is not None, f"a finding needs a place: {message}"
        message, action = _EXPONENT.sub("e-", message), _EXPONENT.sub("e-", action)
        return Finding(self.place, message, action, self.key, self.value if self.written else None, fix, related)

    def key_finding(self, message: str, action: str = "", fix: Fix | None = None) -> Finding:
        """A finding about the key, not its value: it points there."""
        return self._replace(place=self.name_place or self.place).finding(message, action, fix)

    def write(self, value: Any, *, safe: bool = True) -> Fix | None:
        """The fix that writes `value` here."""
        edit = self.rewrite(value) if self.rewrite else None
        if edit is None or self.place is None:
            return None
        return Fix(f"set `{self.key}` to {_shown(value)}", self.place.document, (edit,), safe)

    def remove(self, *, safe: bool = True) -> Fix | None:
        """The fix that removes the key."""
        edit = self.erase() if self.erase and self.written else None
        if edit is None or self.place is None:
            return None
        return Fix(f"remove `{self.key}`", self.place.document, (edit,), safe)

    def call(self, name: str, *, safe: bool = True) -> Fix | None:
        """The fix that gives the key another name, keeping its value."""
        edit = self.rename(name) if self.rename and self.written else None
        if edit is None or self.place is None:
            return None
        return Fix(f"call `{self.key}` `{name}`", self.place.document, (edit,), safe)


def _shown(value: Any) -> str:
    return _EXPONENT.sub("e-", f"{value:g}") if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


class Refusal(NamedTuple):
    """A word of a command line that argparse stops at.

    `setting` holds the word and its place; its key is the option it stands behind. `why` is `extra` (nothing takes
    it), `escaped blank`, `takes no value`, `needs a value`, `ambiguous` or `no number`.
    """

    setting: Setting[str]
    why: str
    fix: Fix | None = None


class Key(NamedTuple):
    """One key a trainer reads: its type (`int|float`, `list[str]`, `table`...), default, and the values it accepts."""

    type: str
    default: Any = None
    choices: tuple[Any, ...] = ()
    required: bool = False


class KeyTable(NamedTuple):
    """Every key of one file kind of one trainer, with the version it was extracted from.

    `strict` says what the trainer does with a key that is not here: True, it stops at start; False, it ignores it.
    `renamed` are words it had once, or has for other models, with the key it reads here.
    """

    trainer: str
    version: str
    source: str
    name: str
    keys: dict[str, Key]
    strict: bool = False
    renamed: Mapping[str, str] = MappingProxyType({})
    gone: Mapping[str, str] = MappingProxyType({})  # keys older versions read, with what to know of them today

    @staticmethod
    def pattern(key: str) -> str:
        """A key with `*` for every list position."""
        return _INDEX.sub("*", key)

    def find(self, key: str) -> Key | None:
        """The key's entry; list positions match `*`, and `optimizer.**` admits whatever stands below `optimizer`."""
        pattern = _INDEX.sub("*", key)
        found = self.keys.get(pattern)
        while found is None and "." in pattern:
            pattern = pattern.rpartition(".")[0]
            found = self.keys.get(f"{pattern}.**")
        return found or self.keys.get("**")

    def inside(self, key: str) -> bool:
        """Whether known keys stand below `key`."""
        pattern = _INDEX.sub("*", key) + "."
        return any(known.startswith(pattern) for known in self.keys)


@cache
def _file(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((KEYS / f"{name}.json").read_bytes())
    return content


@cache
def key_table(file: str, table: str) -> KeyTable:
    """Load one table from `dialects/keys/<file>.json`; its rows are `[type, default, choices, "required"]`."""
    content = _file(file)
    keys = {name: _key(*row) for name, row in content["tables"][table].items()}
    strict = table in content.get("strict", ())
    gone = content.get("gone", {}).get(table, {})
    return KeyTable(content["trainer"], content["version"], content["source"], table, keys, strict, gone=gone)


def _key(kind: str, default: Any = None, choices: list[Any] | None = None, required: str = "") -> Key:
    return Key(kind, default, tuple(choices or ()), bool(required))


def key_tables(file: str) -> list[str]:
    """The names of the tables in one file."""
    return list(_file(file)["tables"])


class Config:
    """The settings of one file (or one command) under the trainer's own key names.

    Keys are dotted and relative to what the trainer calls the root: `train.lr`, `optimizer.type`, `learning_rate`,
    `datasets.0.folder_path`.
    """

    def __init__(self, document: Document, table: KeyTable, prefix: str = "") -> None:
        self.document = document
        self.table = table
        self.settings: dict[str, Setting[Any]] = {}
        self.prefix = prefix  # `--` for flags: how a key is shown
        self.anchor = Place(document, document.start())
        self.insert: Callable[[str, Any], Edit | None] | None = None
        self.lenient = False  # the trainer converts strings itself ("1e-4" is a number, "true" a flag)
        self.overwritten: tuple[str, ...] = ()  # keys that the trainer sets itself before it reads them
        self.unset: tuple[Any, ...] = ()  # values that stand for "not set" here, whatever the key's type
        self.open = False  # more settings follow that can't be read here (`$EXTRA` on a command line)
        self.repeated: list[Setting[Any]] = []  # options of a command line that a later one overrules
        self.refused: list[Refusal] = []  # words of a command line that argparse stops at

    @property
    def strict(self) -> bool:
        """Whether the trainer stops at a key it does not know: argparse always does."""
        return self.table.strict or self.prefix == "--"

    def get(self, key: str, default: Any = ...) -> Setting[Any]:
        """The setting: written, else the trainer's default, else unknown; always with a place.

        `default` overrules the table's where it depends on something else.
        """
        found = self.settings.get(key)
        if found is not None:
            return found
        known = self.table.find(key)
        if default is ...:
            default = known.default if known else None
        if self.open:
            default = None
        origin = "unknown" if default is None else "default"
        return Setting(default, origin, self.prefix + key, self._home(key), self._inserter(key))

    def sound(self, key: str, default: Any = ...) -> Setting[Any]:
        """The setting; unknown where its value is not of the key's type, which a rule says to the user."""
        setting, known = self.get(key, default), self.table.find(key)
        fits = known is None or setting.value is None or is_of_type(setting.value, known.type, self.lenient)
        if fits and not (isinstance(setting.value, float) and not math.isfinite(setting.value)):
            return setting
        return setting._replace(value=None, origin="unknown")

    def _home(self, key: str) -> Place:
        """The nearest table that exists above a missing key."""
        while "." in key:
            key = key.rpartition(".")[0]
            found = self.settings.get(key)
            if found is not None and found.place is not None:
                return found.place
        return self.anchor

    def _inserter(self, key: str) -> Callable[[Any], Edit | None] | None:
        insert = self.insert
        return (lambda value: insert(key, value)) if insert else None

    def has(self, key: str) -> bool:
        """Whether the key is written."""
        return key in self.settings

    def items(self, key: str) -> list[str]:
        """Keys of the elements of a written list or table: `datasets.0`, `datasets.1`..."""
        depth = key.count(".") + 1 if key else 0
        start = f"{key}." if key else ""
        return [name for name in self.settings if name.startswith(start) and name.count(".") == depth]

    def places(self, key: str) -> list[str]:
        """Where a key of the table belongs in this file: `*` stands for every element that is written."""
        if self.open:
            return []  # it may stand where it can't be read
        start, star, rest = key.partition("*.")
        if not star:
            home = key.rpartition(".")[0]
            return [key] if not home or home in self.settings else []
        elements = [name for name in self.items(start.rstrip(".")) if name.rpartition(".")[2].isdigit()]
        return [place for name in elements for place in self.places(f"{name}.{rest}")]

    def means(self, value: Any, choices: tuple[Any, ...]) -> bool:
        """Whether the trainer's own conversion makes one of `choices` of a value that is spelled otherwise."""
        texts = {str(choice).lower() for choice in choices}
        return self.lenient and str(value).lower() in texts

    def unread(self, *keys: str) -> bool:
        """Whether a script writes one of the keys with a value that can't be read here: `--output_dir "$OUT"`."""
        found = [self.settings[key] for key in keys if key in self.settings]
        return self.document.syntax == "shell" and any(setting.origin == "unknown" for setting in found)

    def blank(self, key: str) -> bool:
        """Whether a written value only says that the key is not set: `resume = false` where a path may stand.

        The trainers ask such values for their truth. Numbers they calculate with, whole ones are divided by.
        """
        value, known = self.get(key).value, self.table.find(key)
        if key in self.overwritten and value == "":
            return True
        if known is None or known.default is not None or known.type.startswith("int"):
            return False
        return any(type(value) is type(unset) and value == unset for unset in self.unset)

    def written(self) -> Iterator[tuple[str, Setting[Any]]]:
        """Every written setting, tables included, in the order of the file."""
        yield from self.settings.items()


def is_of_type(value: Any, kind: str, lenient: bool = False) -> bool:
    """Whether a value is of a key table's type; `lenient`: the trainer converts text itself."""
    return any(_is(value, part, lenient) for part in kind.rstrip("?").split("|"))


def _is(value: Any, kind: str, lenient: bool) -> bool:
    if kind == "bool":
        return isinstance(value, bool) or (lenient and str(value).lower() in ("true", "false", "0", "1", "yes", "no"))
    if kind in ("int", "float"):
        if isinstance(value, str):
            return lenient and _reads(value, kind)
        return isinstance(value, int if kind == "int" else (int, float)) and not isinstance(value, bool)
    if kind == "str":
        return isinstance(value, str) or (lenient and isinstance(value, (int, float)))
    if kind.startswith("list"):
        return isinstance(value, list)
    if kind == "table":
        return isinstance(value, dict)
    return True  # any, enum: judged by their choices


def _reads(text: str, kind: str) -> bool:
    try:
        int(text) if kind == "int" else float(text)
    except ValueError:
        return False
    return True


def arguments(setting: Setting[Any]) -> dict[str, str]:
    """`key=value` words (`--network_args rank_dropout=0.1 ...`) as a dictionary; the last of two equal keys wins."""
    words = setting.value if isinstance(setting.value, list) else []
    pairs = (word.partition("=") for word in words if isinstance(word, str))
    return {key: value for key, equals, value in pairs if equals}
