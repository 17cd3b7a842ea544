"""musubi-tuner's command lines: which script is run, and its settings from flags and `--config_file`.

Flags win over the file; the file's sections are flattened and its values are neither converted nor checked
(training/parser_common.py `read_config_from_file`). Source: kohya-ss/musubi-tuner@30c658c.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from lora_doctor.dialects.argv import command_config, flags
from lora_doctor.dialects.launch import only_named
from lora_doctor.dialects.reader import Reader
from lora_doctor.dialects.structured import structured_config
from lora_doctor.setting import Config, KeyTable, Setting, key_table, key_tables
from lora_doctor.source.document import Command, Document, Word

ARCHITECTURES = (
    "flux_2", "flux_kontext", "fpack", "hidream_o1", "hv_1_5", "hv", "ideogram4", "kandinsky5", "krea2", "qwen_image",
    "wan", "zimage",
)  # fmt: skip
_STEP = r"(train_network_self_flow|train_network|train|cache_latents|cache_pixel|cache_text_encoder_outputs)"
_SCRIPT = re.compile(rf"^(?:.*[/\\.])?((?:{'|'.join(ARCHITECTURES)})_{_STEP})(?:\.py)?$")
# sd-scripts has scripts of these names too: here the path must say whose they are
_OWN_PATH = re.compile(rf"^(?:.*[/\\.])?musubi[-_]tuner[/\\.](?:.*[/\\.])?((?:\w+_)?{_STEP})(?:\.py)?$")


class Call(NamedTuple):
    """One run of a musubi script: `script` is its file name, `launch` the words before it, `words` those behind."""

    command: Command
    script: str
    launch: tuple[Word, ...]
    words: tuple[Word, ...]

    @property
    def trains(self) -> bool:
        """Whether it trains, rather than caches."""
        return "_cache_" not in self.script and not self.script.startswith("cache_")

    @property
    def complete(self) -> bool:
        """Whether what the script does without an option is known: not of full fine-tunes, nor of a fork's scripts."""
        return bool(self.architecture) and not self.script.endswith("_train.py")

    @property
    def architecture(self) -> str:
        """`flux_2`, `wan`...: what the script's name begins with; empty for HunyuanVideo's caching scripts."""
        return next((name for name in ARCHITECTURES if self.script.startswith(f"{name}_")), "")


def calls(document: Document) -> list[Call]:
    """Every run of a musubi script in a shell script."""
    return [call for command in document.commands if (call := _call(command)) is not None]


def _call(command: Command) -> Call | None:
    for i, word in enumerate(command.words):
        runs_module = i > 0 and command.words[i - 1].text == "-m"
        if not word.text.endswith(".py") and not runs_module:
            continue
        match = _SCRIPT.match(word.text) or _OWN_PATH.match(word.text)
        if match and not only_named(command.words[:i]):
            return Call(command, f"{match[1]}.py", command.words[:i], command.words[i + 1 :])
    return None


def script_table(script: str) -> KeyTable:
    """The options of a script; of other architectures only the common ones are known, and any other is let pass."""
    if script in key_tables("musubi"):
        return key_table("musubi", script)
    if "cache_text_encoder_outputs" in script:
        return key_table("musubi", "cache_text_encoder_outputs.py")
    if "_cache_" in script or script.startswith("cache_"):
        return key_table("musubi", "cache_latents.py")
    common = key_table("musubi", "train_network.py")
    if script.endswith("_train_network.py"):
        return common
    return common._replace(keys={name: key._replace(required=False) for name, key in common.keys.items()})


def file_table(script: str) -> KeyTable:
    """The same options in a `--config_file`: unknown ones are ignored, none is required, the flags may have it."""
    table = script_table(script)
    keys = {name: key._replace(required=False) for name, key in table.keys.items()}
    if "base_weights_multiplier" in keys:  # not looked at without `base_weights`
        keys["base_weights_multiplier"] = keys["base_weights_multiplier"]._replace(type="float|list[float]")
    if "**" in keys:  # an option that is not in the table takes any number of words, and in a file any value
        keys["**"] = keys["**"]._replace(type="any")
    return table._replace(keys=keys, strict=False)


class Settings(NamedTuple):
    """The settings of one run: `config` has flags and file together, `file` the file alone.

    `config.open` where more may be set that can't be read here: in the file, or in a variable of the script.
    """

    config: Config
    file: Config | None


def settings(document: Document, call: Call, reader: Reader) -> Settings:
    """Flags first, then the config file, as the parser does it."""
    table = script_table(call.script)
    config = command_config(document, call.command, call.words, table)
    _convert_steps(config)
    named = config.settings.get("config_file")
    if named is None:
        return Settings(config, None)
    name = named.value
    if isinstance(name, str) and not name.endswith(".toml"):
        name += ".toml"
    found = reader.document(name, document)
    if found is None or found.syntax != "toml":
        config.open = True
        return Settings(config, None)
    file = flat_config(found, file_table(call.script))
    for key, setting in file.settings.items():
        if key in table.keys:
            config.settings.setdefault(key, setting)
    config.unset, config.overwritten = file.unset, file.overwritten
    return Settings(config, file)


def flat_config(document: Document, table: KeyTable) -> Config:
    """A `--config_file`: the names of its sections are dropped, the last of two equal keys wins."""
    config = structured_config(document, table)
    flat: dict[str, Setting[Any]] = {}
    for key, setting in config.settings.items():
        depth = key.count(".")
        if isinstance(setting.value, dict) and depth == 0:
            continue
        name = key.partition(".")[2] if depth else key
        flat.pop(name, None)
        flat[name] = setting
    config.settings = flat
    config.unset = ("", False)
    config.overwritten = ("max_train_steps",) if config.has("max_train_epochs") else ()  # by what the epochs come to
    return config


def _convert_steps(config: Config) -> None:
    """`--lr_warmup_steps` as the parser reads it: `5%` is a ratio, `100.0` the integer 100, `0.05` a ratio."""
    for key in ("lr_warmup_steps", "lr_decay_steps"):
        setting = config.settings.get(key)
        if setting is not None:
            config.settings[key] = setting._replace(value=_int_or_float(setting.value))


def _int_or_float(value: Any) -> Any:
    if isinstance(value, str) and value.endswith("%"):
        try:
            return float(value[:-1]) / 100
        except ValueError:
            return value
    return int(value) if isinstance(value, float) and value >= 1 and value.is_integer() else value


def launch_flags(call: Call) -> Iterator[tuple[str, Word]]:
    """Flags of `accelerate launch` before the script, with their first value."""
    for flag in flags(call.launch):
        if flag.values:
            yield flag.name, flag.values[0]
