"""The script a command starts, where it lies here: a copy may be older than ours, or somebody's own.

Only which options it takes is read, from its `add_argument` calls; what it does with them is not.
"""

from __future__ import annotations

import re
from pathlib import Path

from lora_doctor.setting import Key, KeyTable

MAX_BYTES = 400_000  # the longest of the examples has 110 KB
_CALL = re.compile(r"\.add_argument\(\s*(?:\"-\w\",\s*)?[\"']--([\w-]+)[\"'](.*?)(?=\.add_argument\(|\n\S|\Z)", re.S)


def table_of(path: Path, table: KeyTable) -> KeyTable:
    """The options of the script at `path`, with the types and defaults that are known of them."""
    try:
        text = path.read_text("utf-8", "replace") if path.stat().st_size <= MAX_BYTES else ""
    except OSError:
        return table
    keys = {name.replace("-", "_"): _key(name, rest, table) for name, rest in _CALL.findall(text)}
    return table._replace(keys=keys) if "pretrained_model_name_or_path" in keys else table


def _key(name: str, rest: str, table: KeyTable) -> Key:
    required = bool(re.search(r"\brequired\s*=\s*True", rest))
    known = table.keys.get(name.replace("-", "_"))
    if known is not None:
        return known._replace(required=required)
    if re.search(r"action\s*=\s*[\"']store_(true|false)", rest):
        return Key("bool", required=required)
    return Key("list[str]" if "nargs" in rest else "any", required=required)
