"""sd-scripts' command lines and config files: which script runs, and its settings from flags and `--config_file`.

Flags win over the file. The file's sections are flattened, the last of two equal keys wins, and neither types nor
choices are applied to it (library/train_util.py `read_config_from_file` builds an argparse.Namespace).
Source: kohya-ss/sd-scripts@48d368fa.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from lora_doctor.dialects.argv import command_config, flags
from lora_doctor.dialects.launch import only_named
from lora_doctor.dialects.reader import Reader
from lora_doctor.dialects.structured import structured_config
from lora_doctor.finding import Place
from lora_doctor.setting import Config, Key, KeyTable, Setting, key_table, key_tables
from lora_doctor.source.document import Command, Document, Word
from lora_doctor.source.edit import Edit

# The scripts that train a LoRA, with the family they load the checkpoint as
FAMILIES = {
    "train_network.py": "sd15",
    "sdxl_train_network.py": "sdxl",
    "flux_train_network.py": "flux1",
    "sd3_train_network.py": "sd3",
    "lumina_train_network.py": "lumina",
    "hunyuan_image_train_network.py": "hunyuan",
    "anima_train_network.py": "anima",
}
KINDS = {
    "train_db.py": "dreambooth",
    "fine_tune.py": "finetune",
    "train_textual_inversion.py": "textual inversion",
    "sdxl_train_textual_inversion.py": "textual inversion",
    "train_control_net.py": "controlnet",
    "sdxl_train_control_net.py": "controlnet",
    "sdxl_train_control_net_lllite.py": "controlnet",
    "flux_train_control_net.py": "controlnet",
}
FLOW = frozenset({"flux1", "sd3", "lumina", "hunyuan", "anima"})  # scripts without a DDPM schedule
_NAME = re.compile(r"^(?:.*[/\\])?((?:(?:sdxl|flux|sd3|lumina|hunyuan_image|anima)_)?(?:train\w*|fine_tune)\.py)$")
_LAUNCHED = re.compile(r"\baccelerate(\.commands\.launch| launch)\b")
# Flags whose truth only is looked at: a number does as well as a boolean in a file
_CHECKED = frozenset({"color_aug", "flip_aug", "random_crop", "shuffle_caption", "enable_wildcard", "cache_info",
                      "bucket_no_upscale", "enable_bucket", "train_inpainting", "debug_dataset"})  # fmt: skip
# What the kohya_ss GUI writes into its `config_lora-*.toml` besides the script's own options (lora_gui.py:2192-2560)
_OF_THE_GUI = ("epoch", "noise_offset_type", "stop_text_encoder_training", "mem_eff_save", "single_blocks_to_swap",
               "double_blocks_to_swap", "async_upload")  # fmt: skip


class Call(NamedTuple):
    """One run of a script: `launch` are the words before its name, `words` those behind.

    `script` is empty where a variable holds the name.
    """

    command: Command
    script: str
    launch: tuple[Word, ...]
    words: tuple[Word, ...]


class Settings(NamedTuple):
    """The settings of one run: `config` has flags and file together, `file` the file alone, where one is named."""

    config: Config
    file: Config | None = None


def kind_of(script: str) -> str:
    """`training` for the scripts that train a LoRA, else what they train."""
    return KINDS.get(script, "training" if script in FAMILIES or not script else "finetune")


def calls(document: Document) -> list[Call]:
    """Every run of one of sd-scripts' training scripts."""
    return [call for command in document.commands if (call := _call(command)) is not None]


def _call(command: Command) -> Call | None:
    held: Call | None = None
    for i, word in enumerate(command.words):
        match = _NAME.match(word.text)
        before, behind = command.words[:i], command.words[i + 1 :]
        if match and match[1] in key_tables("sd_scripts") and "musubi" not in word.text and not only_named(before):
            return Call(command, match[1], before, behind)
        if not word.known and _LAUNCHED.search(" ".join(each.text for each in before)) and _ours(behind):
            held = Call(command, "", before, behind)  # `$trainer_file`, the last variable before its options
    return held


def _ours(words: tuple[Word, ...]) -> bool:
    """Whether flags name a network module and a checkpoint in sd-scripts' words."""
    found = {flag.name: flag.values[0].text if flag.values else "" for flag in flags(words)}
    module = found.get("network_module", "")
    return module.startswith(("networks.", "lycoris.")) and "pretrained_model_name_or_path" in found


@cache
def script_table(script: str) -> KeyTable:
    """The options of a script; without a name, those of every script that trains a LoRA."""
    common = key_table("sd_scripts", "common")
    keys: dict[str, Key] = {}
    for name in (script,) if script else reversed(FAMILIES):
        keys |= key_table("sd_scripts", name).keys
    return common._replace(name=script or "config_file", keys=common.keys | keys)


@cache
def file_table(script: str, gui: bool = False) -> KeyTable:
    """The same options in a `--config_file`, where the trainer takes a little more than argparse would."""
    table = script_table(script)
    keys = {name: _in_file(name, key) for name, key in table.keys.items()}
    if gui:
        keys |= {name: Key("any") for name in _OF_THE_GUI if name not in keys}
    return table._replace(keys=keys)


def _in_file(name: str, key: Key) -> Key:
    """Choices are not checked and most flags are only asked for their truth."""
    if name == "max_token_length":
        return key._replace(choices=(*key.choices, 75))  # two tokens are added to whatever number stands there
    if name == "dynamo_backend":
        return key._replace(choices=())  # not read without `torch_compile`
    if name == "base_weights_multiplier":
        return key._replace(type="float|list[float]")  # not looked at without `base_weights`
    if name == "text_encoder_lr":
        return key._replace(type="float|list[float]")  # train_network.py: "toml backward compatibility"
    if key.type == "bool" and name not in _CHECKED:
        return key._replace(type="bool|int")
    return key


def settings(document: Document, call: Call, reader: Reader) -> Settings:
    """Flags first, then the config file, as the parser does it."""
    config = command_config(document, call.command, call.words, script_table(call.script))
    for key in ("lr_warmup_steps", "lr_decay_steps"):
        if key in config.settings:
            config.settings[key] = config.settings[key].map(percentage)
    named = config.settings.get("config_file")
    if named is None:
        return Settings(config)
    name = str(named.value)
    found = reader.document(name if name.endswith(".toml") else f"{name}.toml", document) if named.value else None
    if found is None or found.syntax != "toml":
        config.open = True  # whatever is no flag may stand in there
        return Settings(config)
    file = flat_config(found, call.script)
    for key, setting in file.settings.items():
        if key in config.table.keys:
            config.settings.setdefault(key, setting)
    config.unset, config.overwritten = file.unset, file.overwritten
    config.table = file_table(call.script)  # what stands in the file is not held to argparse's types
    return Settings(config, file)


def percentage(value: Any) -> Any:
    """`5%` is 0.05 (train_util.py `int_or_float`)."""
    if isinstance(value, str) and value.endswith("%"):
        try:
            return float(value[:-1]) / 100
        except ValueError:
            return value
    return value


def flat_config(document: Document, script: str) -> Config:
    """A `--config_file`: the names of its sections are dropped, the last of two equal keys wins."""
    table = file_table(script, written_by_gui(document.data))
    if of_lora_scripts(document.data):
        table = table._replace(keys=table.keys | {"**": Key("any")})
    config = structured_config(document, table)
    flat: dict[str, Setting[Any]] = {}
    for key, setting in config.settings.items():
        section, _, name = key.partition(".")
        if not isinstance(document.data[section], dict):
            flat.setdefault(section, setting._replace(key=section))  # a list of tables is one value
        elif name and "." not in name:
            flat.pop(name, None)
            flat[name] = setting._replace(key=name)
    config.settings = flat
    config.unset = ("", False)
    config.overwritten = ("max_train_steps",) if config.has("max_train_epochs") else ()  # by what the epochs come to
    if of_lora_scripts(document.data):
        config.settings = {key: setting for key, setting in flat.items() if setting.value != ""}
        config.lenient = config.open = True
    config.insert = _inserter(document, config.insert)
    return config


def _inserter(
    document: Document, insert: Callable[[str, Any], Edit | None] | None
) -> Callable[[str, Any], Edit | None] | None:
    """At the top where keys stand there, else into the first section: its name means nothing."""
    sections = [name for name, value in document.data.items() if isinstance(value, dict)]
    if insert is None or len(sections) < len(document.data) or not sections:
        return insert
    return lambda key, value: insert(f"{sections[0]}.{key}", value)


def written_by_gui(data: dict[str, Any]) -> bool:
    """`noise_offset_type` is a field of the GUI that it writes down and no script reads."""
    return "noise_offset_type" in data


def of_lora_scripts(data: dict[str, Any]) -> bool:
    """A preset of Akegarasu's lora-scripts: its window drops empty fields, converts the others and adds its own.

    Source: Akegarasu/lora-scripts mikazuki/app/api.py, which takes `model_train_type` out again.
    """
    tables = (data, *(table for table in data.values() if isinstance(table, dict)))
    return any("model_train_type" in table for table in tables)


def launch_flags(document: Document, call: Call) -> Config:
    """Flags of `accelerate launch` before the script, with their first value."""
    config = Config(document, KeyTable("accelerate", "", "", "launch", {}), "--")
    for flag in flags(call.launch):
        word = flag.values[0] if flag.values else flag.word
        value = True if not flag.values else word.text if word.known else None
        origin = "unknown" if value is None else "written"
        config.settings[flag.name] = Setting(value, origin, f"--{flag.name}", Place(document, word.span))
    return config
