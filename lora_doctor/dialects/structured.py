"""A TOML, YAML or JSON document as a `Config`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lora_doctor.finding import Place
from lora_doctor.setting import Config, KeyTable, Setting
from lora_doctor.source.document import Document, Entry, KeyPath, Span
from lora_doctor.source.edit import Edit, delete_pair, insert_pair, rename_key, replace_value


def structured_config(
    document: Document,
    table: KeyTable,
    root: KeyPath = (),
    rename: Callable[[str], str] | None = None,
    convert: Callable[[Any], Any] | None = None,
) -> Config:
    """Settings of everything below `root`.

    `rename` turns a key as written into the trainer's name (`--learning_rate` -> `learning_rate`);
    `convert` reads a scalar as that trainer's loader does (`1e-4` in YAML).
    """
    config = Config(document, table)
    config.insert = _inserter(document, root, rename)
    if root in document.entries and root:
        entry = document.entries[root]
        config.anchor = Place(document, entry.key or Span(entry.span.start, entry.span.start + 1), root)
    for path, entry in document.entries.items():
        if len(path) <= len(root) or path[: len(root)] != root:
            continue
        if isinstance(path[-1], int) and not isinstance(entry.value, dict):
            continue  # the items of a list are its value
        key = ".".join(_named(part, rename) for part in path[len(root) :])
        if key not in config.settings:
            config.settings[key] = _setting(document, path, entry, key, convert)
    return config


def _named(part: str | int, rename: Callable[[str], str] | None) -> str:
    return rename(part) if rename and isinstance(part, str) else str(part)


def _setting(
    document: Document, path: KeyPath, entry: Entry, key: str, convert: Callable[[Any], Any] | None
) -> Setting[Any]:
    is_table = isinstance(entry.value, dict) or (isinstance(entry.value, list) and entry.key is not None)
    span = (entry.key or entry.span) if is_table else entry.span
    value = convert(entry.value) if convert else entry.value
    return Setting(
        value,
        "written",
        key,
        Place(document, span, path),
        lambda new: replace_value(document, path, new),
        lambda: delete_pair(document, path),
        lambda name: rename_key(document, path, name),
        Place(document, entry.key, path) if entry.key is not None else None,
    )


def _inserter(
    document: Document, root: KeyPath, rename: Callable[[str], str] | None
) -> Callable[[str, Any], Edit | None]:
    def insert(key: str, value: Any) -> Edit | None:
        *parents, last = key.split(".")
        path = (*root, *(int(part) if part.isdigit() else part for part in parents))
        if rename:  # write the key the way its siblings are written
            siblings = [p[-1] for p in document.entries if p and p[:-1] == path and isinstance(p[-1], str)]
            dashed = bool(siblings) and all(str(name).startswith("--") for name in siblings)
            last = f"--{last}" if dashed else last
        return insert_pair(document, (*path, last), value)

    return insert
