"""SimpleTuner's settings from config.json, config.toml or a command line, as its argparse sees them.

A config file becomes `--key=value` words first: null and empty values and the *string* "false" are dropped, `true` is
a bare flag, a few old names are renamed or swallowed; then argparse converts the words, takes any unambiguous prefix
of a name and stops at a name it does not know (helpers/configuration/cli_utils.py, cmd_args.py, bghira/SimpleTuner
@bc8e6ab). Data backends are plain JSON: nothing of this happens there.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

from lora_doctor.dialects.argv import command_config, full_name
from lora_doctor.dialects.structured import structured_config
from lora_doctor.setting import Config, Key, KeyTable, Setting, key_table
from lora_doctor.source.document import Command, Document, KeyPath, Word

KEYS = "simpletuner"
TRUE = frozenset({"1", "true", "yes", "y", "on"})
FALSE = frozenset({"0", "false", "no", "n", "off"})
RENAMED = {
    "validation_steps": "validation_step_interval",
    "checkpointing_steps": "checkpoint_step_interval",
    "save_total_limit": "checkpoints_total_limit",
    "fused_qkv_projections": "fuse_qkv_projections",
}
SCHEDULERS = {"cosine_with_warmup": "cosine"}


def file_table() -> KeyTable:
    """What a config file may hold: every option, and the names that are swallowed before argparse sees them."""
    table = key_table(KEYS, "config")
    return table._replace(keys=table.keys | key_table(KEYS, "swallowed").keys)


def file_settings(document: Document, root: KeyPath = ()) -> Config:
    """The settings of a config.json or config.toml; dashes in front of a key make no difference."""
    config = structured_config(document, file_table(), root, lambda key: key.strip().lstrip("-"))
    return settle(config)


def command_settings(document: Document, command: Command, words: tuple[Word, ...]) -> Config:
    """The settings of a command line that names everything itself (`CONFIG_BACKEND=cmd`)."""
    return settle(command_config(document, command, words, key_table(KEYS, "config")))


def settle(config: Config) -> Config:
    """Turn written values into what argparse makes of them, under the names it keeps."""
    config.lenient = True
    written, config.settings = config.settings, {}
    for name, setting in written.items():
        key, _, below = name.partition(".")
        key = canonical(key, config.table)
        if below:
            if key in config.settings:
                config.settings[f"{key}.{below}"] = setting
        elif key == "vae_cache_preprocess":
            config.settings["vae_cache_ondemand"] = _inverted(setting)
        else:
            settled = _settled(key, setting, config.table.find(key))
            if settled is not None:
                config.settings[key] = settled
    return config


def canonical(key: str, table: KeyTable) -> str:
    """The option a name stands for: old names are renamed, unambiguous prefixes completed."""
    return RENAMED.get(key) or RENAMED.get(name := full_name(key, table)) or name


def _inverted(setting: Setting[Any]) -> Setting[Any]:
    on = setting.map(lambda value: str(value).strip().lower() in FALSE | {"", "none"})
    return on._replace(rewrite=None, erase=None, rename=None)


def _settled(key: str, setting: Setting[Any], known: Key | None) -> Setting[Any] | None:
    """One setting after the conversion; None where SimpleTuner drops it."""
    value = setting.value
    if isinstance(value, list) and known is not None and known.type != "any":
        value = str(value[-1]) if value else None  # one word each: argparse keeps the last
    if value is None and setting.origin == "unknown":
        return setting
    table = isinstance(value, dict) and (known is None or known.type != "any")
    if value is None or table or (isinstance(value, str) and not value.strip()):
        return None  # a table becomes no word at all
    if isinstance(value, str):
        value = value.strip()
        if "{env:" in value:
            return setting._replace(value=None, origin="unknown")
        if value.lower() == "false":
            return setting._replace(value=bool(known.default)) if known and known.type.startswith("bool") else None
    return setting._replace(value=_typed(key, value, known))


def _typed(key: str, value: Any, known: Key | None) -> Any:
    """The value argparse's `type=` makes of it; one it would refuse stays as it is, for a rule to judge."""
    if known is None or isinstance(value, (dict, list)):
        return value
    word = str(value).strip()
    if key == "lr_scheduler":
        return SCHEDULERS.get(word.lower(), word)
    if key == "model_family":
        return word.lower()
    try:
        if known.type == "int" and not isinstance(value, bool):
            return int(word)
        if known.type == "float" and not isinstance(value, bool):
            return float(word)
    except ValueError:
        return value
    if known.type == "str" and not isinstance(value, bool):
        return word
    if known.type.startswith("bool"):
        return True if word.lower() in TRUE else False if word.lower() in FALSE else value
    return value


def text(value: Any) -> str | None:
    """Text; None for anything else."""
    return value if isinstance(value, str) else None


def number(value: Any) -> float | None:
    """A finite number, or text that reads as one; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value) if isinstance(value, str) else value
        return found if isfinite(found) else None
    except (ValueError, OverflowError):
        return None


def whole(value: Any) -> int | None:
    """A whole number, or text that reads as one; None for anything else."""
    found = number(value)
    return int(found) if found is not None and found == found // 1 else None
