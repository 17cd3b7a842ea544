"""Values as ai-toolkit's loader has them: `1e-4` is a number, `[name]` the job's name, `${VAR}` the environment.

Source: ostris/ai-toolkit@27a03a91 toolkit/config.py.
"""

from __future__ import annotations

import math
import re
from typing import Any

from lora_doctor.dialects.structured import structured_config
from lora_doctor.setting import Config, KeyTable, Setting, is_of_type
from lora_doctor.source.document import Document, Entry, KeyPath

VARIABLE = re.compile(r"\$\{([^}]+)\}")
_EXPONENT = re.compile(r"^(?:[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?[eE][-+]?[0-9]+|\.[0-9_]+[eE][-+][0-9]+)$")


def process_config(document: Document, table: KeyTable, root: KeyPath) -> Config:
    """The settings of one process, with the loader's conversions."""
    config = structured_config(document, table, root)
    name = job_name(document)
    for key, setting in config.settings.items():
        if setting.place is None:
            continue
        value = loaded(document, setting.place.path, name)
        known = table.find(key)
        hidden = isinstance(value, str) and VARIABLE.fullmatch(value) is not None
        if hidden and (known is None or not known.type.startswith(("str", "any"))):
            config.settings[key] = setting._replace(value=None, origin="unknown")
        elif value != setting.value:
            config.settings[key] = setting._replace(value=value)
    return config


def sound(config: Config, key: str, default: Any = ...) -> Setting[Any]:
    """The setting; unknown where its value is not of the key's type, which a rule says to the user."""
    setting, known = config.get(key, default), config.table.find(key)
    fits = known is None or setting.value is None or is_of_type(setting.value, known.type)
    if fits and not (isinstance(setting.value, float) and not math.isfinite(setting.value)):
        return setting
    return setting._replace(value=None, origin="unknown")


def job_name(document: Document) -> str | None:
    """`config.name`, which replaces `[name]` wherever it stands."""
    config = document.data.get("config") if isinstance(document.data, dict) else None
    name = config.get("name") if isinstance(config, dict) else None
    return name if isinstance(name, str) else None


def loaded(document: Document, path: KeyPath, name: str | None) -> Any:
    """The value at `path`, its inner values included."""
    entry = document.entries[path]
    if isinstance(entry.value, dict):
        return {key: _inner(document, (*path, key), value, name) for key, value in entry.value.items()}
    if isinstance(entry.value, list):
        return [_inner(document, (*path, i), value, name) for i, value in enumerate(entry.value)]
    return _scalar(document, entry, name)


def _inner(document: Document, path: KeyPath, value: Any, name: str | None) -> Any:
    return loaded(document, path, name) if path in document.entries else value


def _scalar(document: Document, entry: Entry, name: str | None) -> Any:
    """A quoted "1e-4" stays a string: resolvers look at plain YAML scalars only."""
    value = entry.value
    if not isinstance(value, str):
        return value
    quoted = document.text[entry.span.start : entry.span.start + 1] in (b'"', b"'", b"|", b">")
    if document.syntax == "yaml" and not quoted and _EXPONENT.match(value):
        return float(value.replace("_", ""))
    return value.replace("[name]", name) if name else value
