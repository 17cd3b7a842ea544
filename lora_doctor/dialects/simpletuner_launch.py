"""SimpleTuner's launch lines: `simpletuner train [env=NAME]`, or `train.py` with every option on the line.

`simpletuner train` reads config/NAME/config.json, .toml or .env, the first that is there; other flags on that line
reach train.py, which does not look at them (cli/train.py, helpers/configuration/loader.py, bghira/SimpleTuner@bc8e6ab).
"""

from __future__ import annotations

from lora_doctor.dialects.argv import command_config
from lora_doctor.dialects.launch import file_name
from lora_doctor.dialects.reader import Reader
from lora_doctor.dialects.simpletuner_settings import KEYS
from lora_doctor.setting import Config, Key, key_table
from lora_doctor.source.document import Command, Document, Word

FILES = ("config.json", "config.toml", "config.env")


def launch_words(command: Command) -> tuple[Word, ...] | None:
    """The words behind `simpletuner train`."""
    for i, word in enumerate(command.words[:-1]):
        if file_name(word.text) == "simpletuner" and command.words[i + 1].text == "train":
            return command.words[i + 2 :]
    return None


def own_words(command: Command) -> tuple[Word, ...] | None:
    """The words behind `train.py` of a command that names family and data backends itself."""
    texts = [word.text for word in command.words]
    names = {text.lstrip("-").partition("=")[0] for text in texts if text.startswith("--")}
    script = next((i for i, text in enumerate(texts) if file_name(text) == "train.py"), None)
    if script is None or not {"model_family", "data_backend_config"} <= names:
        return None
    return command.words[script + 1 :]


def launched(document: Document, words: tuple[Word, ...], reader: Reader) -> Document | None:
    """The config that a launch line reads: JSON before TOML before env."""
    name = next((word.text.partition("=")[2] for word in words if word.text.lstrip("-").startswith("env=")), "")
    folders = [f"config/{name}", name] if name else ["config", "."]
    found = (reader.document(f"{folder}/{file}", document) for folder in folders for file in FILES)
    return next((config for config in found if config is not None), None)


def launch_flags(document: Document, command: Command, words: tuple[Word, ...]) -> Config:
    """The flags of a launch line (`key=value` is one): they are no options of the run, so any is let pass."""
    table = key_table(KEYS, "config")._replace(keys={"**": Key("any")}, name="launch")
    return command_config(document, command, tuple(_dashed(word) for word in words), table)


def _dashed(word: Word) -> Word:
    if word.text.startswith("--") or "=" not in word.text:
        return word
    return word._replace(text=f"--{word.text}", literal=False)
