"""A project's settings: `[tool.lora-doctor]` in the nearest pyproject.toml, or lora-doctor.toml."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from lora_doctor.selection import EVERYTHING, Selection, Selector, did_you_mean, resolve
from lora_doctor.source.document import SourceError
from lora_doctor.source.paths import relative

if TYPE_CHECKING:
    from lora_doctor.result import Found

OWN_FILE = "lora-doctor.toml"
SHARED_FILE = "pyproject.toml"
Globs = tuple[str, ...]


class IgnoredKey(NamedTuple):
    """One line of `ignore-keys`, for files without comments: a rule that is ignored at one key of the trainer's."""

    glob: str
    key: str
    rule: Selector
    number: int  # of the line in the glob's list

    def fits(self, found: Found) -> bool:
        """Whether a finding is meant, wherever it stands."""
        return found.finding.key.lstrip("-") == self.key.lstrip("-") and self.rule.fits(found.rule, found.level)


class Settings(NamedTuple):
    """What a project asks for. Paths and globs are relative to `root`, the folder the settings stand in."""

    root: str = ""
    file: str = ""
    select: tuple[Selector, ...] = EVERYTHING
    ignore: tuple[Selector, ...] = ()
    per_path_ignores: tuple[tuple[str, tuple[Selector, ...]], ...] = ()
    ignore_keys: tuple[IgnoredKey, ...] = ()
    exclude: Globs = ()
    recipe: str | None = None
    versions: Mapping[str, str] = MappingProxyType({})
    baseline: Path | None = None
    limits: Path | None = None
    trainer: str | None = None

    def selection(self, select: tuple[Selector, ...] = (), ignore: tuple[Selector, ...] = ()) -> Selection:
        """The wanted rules; a selection on the command line takes the place of the project's."""
        if select:
            return Selection(select, ignore, self.versions)
        return Selection(self.select, (*self.ignore, *ignore), self.versions)

    def ignores(self, found: Found) -> bool:
        """Whether the project ignores this finding in its file, or at its key."""
        if not self.per_path_ignores and not self.ignore_keys:
            return False
        name = found.finding.place.document.name
        for glob, selectors in self.per_path_ignores:
            if _any_fits(selectors, found) and self.matches(name, (glob,)):
                return True
        return any(entry.fits(found) and self.matches(name, (entry.glob,)) for entry in self.ignore_keys)

    def excludes(self, name: str) -> bool:
        """Whether a file or folder is to be passed over."""
        return bool(self.exclude) and self.matches(name, self.exclude)

    def matches(self, name: str, globs: Globs) -> bool:
        """Whether a path lies below the root and fits one of the globs, which read like lines of a .gitignore."""
        inside = relative(os.path.abspath(name), self.root).replace(os.sep, "/")
        return not inside.startswith("../") and not os.path.isabs(inside) and _spec(globs)(inside)


def _any_fits(selectors: tuple[Selector, ...], found: Found) -> bool:
    return any(selector.fits(found.rule, found.level) for selector in selectors)


@cache
def _spec(globs: Globs) -> Callable[[str], bool]:
    from pathspec import GitIgnoreSpec

    spec = GitIgnoreSpec.from_lines(globs)
    return lambda path: bool(spec.match_file(path))


@cache
def nearest_settings(folder: str) -> Settings:
    """The settings that hold for files in a folder: of the folder itself, or of the next one above that has any."""
    for name in (OWN_FILE, SHARED_FILE):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            settings = load_settings(path)
            if settings is not None:
                return settings
    above = os.path.dirname(folder)
    return nearest_settings(above) if above != folder else Settings(folder)


def load_settings(path: str) -> Settings | None:
    """The settings in one file; None where a pyproject.toml has none.

    Raises:
        SourceError: the file can't be read, or says something that is not a setting.
    """
    table = _table(path)
    if table is None:
        return None
    unknown = next((key for key in table if key not in _READERS), None)
    if unknown is not None:
        raise SourceError(f"{path}: `{unknown}` is no setting{did_you_mean(unknown, _READERS)}")
    root = os.path.dirname(os.path.abspath(path))
    found: dict[str, Any] = {"root": root, "file": path}
    for key, value in table.items():
        try:
            found[key.replace("-", "_")] = _READERS[key](value, root)
        except SourceError as error:
            raise SourceError(f"{path}: `{key}`: {error.sentence}") from None
    return Settings(**found)


def _table(path: str) -> dict[str, Any] | None:
    shared = os.path.basename(path) == SHARED_FILE
    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError as error:
        raise SourceError(f"{path}: can't be read: {(error.strerror or str(error)).lower()}") from None
    if shared and b"lora-doctor" not in text:
        return None
    import tomllib

    try:
        data = tomllib.loads(text.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: not valid TOML: {error}") from None
    table = data.get("tool", {}).get("lora-doctor") if shared else data
    if table is not None and not isinstance(table, dict):
        raise SourceError(f"{path}: `tool.lora-doctor` is no table")
    return table


def _strings(value: Any, _: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise SourceError("wants a list of strings")
    return tuple(value)


def _string(value: Any, _: str) -> str:
    if not isinstance(value, str) or not value:
        raise SourceError("wants a string")
    return value


def _selectors(value: Any, root: str) -> tuple[Selector, ...]:
    return resolve(_strings(value, root))


def _per_path(value: Any, root: str) -> tuple[tuple[str, tuple[Selector, ...]], ...]:
    return tuple((glob, _selectors(rules, root)) for glob, rules in _mapping(value).items())


def _keys(value: Any, root: str) -> tuple[IgnoredKey, ...]:
    found: list[IgnoredKey] = []
    for glob, lines in _mapping(value).items():
        for i, line in enumerate(_strings(lines, root)):
            key, colon, rules = line.rpartition(":")
            if not colon or not key.strip() or not rules.strip():
                raise SourceError(f'`{line}` wants the form "key: rule"')
            found += [IgnoredKey(glob, key.strip(), rule, i) for rule in resolve([rules])]
    return tuple(found)


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SourceError("wants a table")
    return value


def _versions(value: Any, root: str) -> dict[str, str]:
    return {_trainer(name, root): _string(version, root) for name, version in _mapping(value).items()}


def _trainer(value: Any, root: str) -> str:
    from lora_doctor.dialects import trainer_names

    names = trainer_names()
    name = _string(value, root)
    found = next((known for known in names if known.lower() == name.lower()), None)
    if found is None:
        raise SourceError(f"`{name}` is no trainer lora-doctor knows ({', '.join(names)})")
    return found


def _recipe(value: Any, root: str) -> str:
    from lora_doctor.recipes import RECIPES

    name = _string(value, root)
    if name not in RECIPES:
        raise SourceError(f"`{name}` is no recipe lora-doctor knows ({', '.join(RECIPES)})")
    return name


def _path(value: Any, root: str) -> Path:
    return Path(root) / _string(value, root)


_READERS: dict[str, Callable[[Any, str], Any]] = {
    "select": _selectors,
    "ignore": _selectors,
    "per-path-ignores": _per_path,
    "ignore-keys": _keys,
    "exclude": _strings,
    "recipe": _recipe,
    "versions": _versions,
    "baseline": _path,
    "limits": _path,
    "trainer": _trainer,
}
