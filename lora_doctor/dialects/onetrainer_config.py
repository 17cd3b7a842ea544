"""OneTrainer's loader: what a value in a config means to it, and what configs of older versions called things.

`from_dict` takes the keys it knows, converts text to numbers, and keeps the default where a value can't be used, with
one printed line. Source: Nerogar/OneTrainer@23df3832 modules/util/config/BaseConfig.py, TrainConfig.py.
"""

from __future__ import annotations

from typing import Any

from lora_doctor.dialects.structured import structured_config
from lora_doctor.setting import Config, Key, KeyTable, Setting, is_of_type, key_table
from lora_doctor.source.document import Document

NEWEST = 11
PARTS = (
    "unet", "prior", "transformer", "unconditional_transformer", "text_encoder", "text_encoder_2", "text_encoder_3",
    "text_encoder_4", "vae", "effnet_encoder", "decoder", "decoder_text_encoder", "decoder_vqgan",
)  # fmt: skip
CASCADES = ("STABLE_CASCADE_1", "WUERSTCHEN_2")
# a key's old name, its name today, and the last version that used the old one
RENAMED = (
    ("optimizer_weight_decay", "optimizer.weight_decay", 0),
    ("train_text_encoder", "text_encoder.train", 1),
    ("train_text_encoder_2", "text_encoder_2.train", 1),
    ("unet_learning_rate", "unet.learning_rate", 1),
    ("text_encoder_learning_rate", "text_encoder.learning_rate", 1),
    ("save_after", "save_every", 5),
    ("save_after_unit", "save_every_unit", 5),
    ("lora_layers", "layer_filter", 7),
    ("lora_layer_preset", "layer_filter_preset", 7),
    ("lora_layers_regex", "layer_filter_regex", 7),
    ("enable_async_offloading", "async_offloading", 10),
)


# what no version renamed but a migration took apart
SPREAD = ("weight_dtype", "gradient_checkpointing", "enable_activation_offloading", "layer_offload_fraction")


def version_of(data: dict[str, Any]) -> int | None:
    """The format's number; None for a preset, which has none. A very old config has none either: that is 0."""
    version = data.get("__version")
    if isinstance(version, int) and not isinstance(version, bool):
        return version
    return 0 if "weight_dtype" in data and not any(isinstance(data.get(part), dict) for part in PARTS) else None


def train_config(document: Document, *, migrate: bool = True) -> Config:
    """A training config or preset, its keys under today's names and its values as the loader converts them."""
    version = version_of(document.data) if migrate else None
    config = structured_config(document, _table(version))
    for key, setting in list(config.settings.items()):
        known = config.table.find(key)
        if known is not None:
            config.settings[key] = setting._replace(value=_converted(setting.value, known.type))
    if version is not None:
        _migrate(config, version)
    return config


def list_config(document: Document, table: str) -> Config:
    """A file that holds a list: concepts or samples. Its keys begin with the position: `0.path`."""
    config = structured_config(document, key_table("onetrainer", table))
    for key, setting in list(config.settings.items()):
        known = config.table.find(key)
        if known is not None:
            config.settings[key] = setting._replace(value=_converted(setting.value, known.type))
    return config


def _table(version: int | None) -> KeyTable:
    """Of another version than the table's, any further key may be one that version reads or once wrote.

    A preset does not say its version: the window takes it for today's, `train.py` for the oldest.
    """
    table = key_table("onetrainer", "config")
    if version is None:
        old = (*SPREAD, *(name for name, _, _ in RENAMED))
        return table._replace(keys={name: Key("any") for name in old} | table.keys)
    if version == NEWEST:
        return table
    return table._replace(keys=table.keys | {"**": Key("any")})


def _converted(value: Any, kind: str) -> Any:
    """Numbers may be text and text may be numbers; what can't be converted stays, for a rule to judge."""
    if kind == "str" and isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    if kind == "float" and isinstance(value, str):
        return _number(value, float)
    if kind == "int" and isinstance(value, str):
        return _number(value, int)
    return int(value) if kind == "int" and isinstance(value, float) and abs(value) < 1e9 else value


def _number(text: str, read: type[int] | type[float]) -> Any:
    try:
        return read(text)
    except ValueError:
        return text


def _migrate(config: Config, version: int) -> None:
    settings = config.settings
    for old, new, last in RENAMED:
        if version <= last and old in settings:
            settings.setdefault(new, settings[old])
    if version == 0 and isinstance(config.get("optimizer").value, str):
        settings.setdefault("optimizer.optimizer", settings["optimizer"])
    if version <= 8 and config.get("model_type").value not in CASCADES:
        for key in [key for key in settings if key.startswith("prior.")]:
            settings.setdefault(f"transformer{key.removeprefix('prior')}", settings[key])
    if version <= 9:
        _share_dtype(config)
    if version <= 10:
        _spread_checkpointing(config)
        _legacy_format(config)


def _share_dtype(config: Config) -> None:
    """Up to version 9, a part's NONE meant the common `weight_dtype`."""
    common = config.settings.get("weight_dtype")
    if common is None:
        return
    for part in PARTS:
        own = config.settings.get(f"{part}.weight_dtype")
        if own is not None and own.value == "NONE":
            config.settings[f"{part}.weight_dtype"] = common


def _spread_checkpointing(config: Config) -> None:
    """Up to version 10, one `gradient_checkpointing` (ON, OFF, CPU_OFFLOADED; a flag before 5) held for all parts."""
    common = config.settings.get("gradient_checkpointing")
    if common is None:
        return
    spread = common._replace(value=str(common.value) not in ("OFF", "False"))
    for part in PARTS:
        if part in config.settings:
            config.settings.setdefault(f"{part}.gradient_checkpointing", spread)


def _legacy_format(config: Config) -> None:
    method, written = config.get("training_method").value, config.settings.get("output_model_format")
    if written is not None and written.value == "SAFETENSORS" and method != "EMBEDDING":
        name = "LEGACY_LORA" if method == "LORA" else "LEGACY_SAFETENSORS"
        config.settings["output_model_format"] = written._replace(value=name)


def usable(config: Config, key: str, default: Any = ...) -> Setting[Any]:
    """The value OneTrainer goes on with: a value it can't set leaves the default in place."""
    setting = config.get(key, default)
    known = config.table.find(key)
    if not setting.written or known is None or setting.value is None:
        return setting
    if known.type == "bool":
        return setting._replace(value=bool(setting.value))  # any text is true, "false" too
    if known.choices and setting.value not in known.choices:
        return _fallback(setting, known.default if default is ... else default)
    if is_of_type(setting.value, known.type) and not (isinstance(setting.value, float) and abs(setting.value) > 1e9):
        return setting
    if known.type in ("int", "float"):
        return _fallback(setting, known.default if default is ... else default)
    return setting._replace(value=None, origin="unknown")


def _fallback(setting: Setting[Any], default: Any) -> Setting[Any]:
    return setting._replace(value=default, origin="unknown" if default is None else "default")
