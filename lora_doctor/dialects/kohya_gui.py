"""The kohya_ss GUI: its JSON presets and saved configs. What it hands to sd-scripts is read as sd-scripts reads it.

Source: bmaltais/kohya_ss@45088f04 kohya_gui/lora_gui.py, common_gui.py (see `kohya_gui_handed`).
"""

from __future__ import annotations

from typing import Any

from lora_doctor.dialects.kohya_gui_handed import additional, handed, script_of
from lora_doctor.dialects.kohya_prompts import parse_line
from lora_doctor.dialects.reader import Reader
from lora_doctor.dialects.sd_scripts import training
from lora_doctor.dialects.structured import structured_config
from lora_doctor.plan import Plan
from lora_doctor.setting import Config, Setting, key_table
from lora_doctor.source.document import Document

TRAINER = "kohya_ss"
CONCEPTS = {
    "network.kind": "LoRA_type",
    "network.rank": "network_dim",
    "network.alpha": "network_alpha",
    "network.conv_rank": "conv_dim",
    "network.conv_alpha": "conv_alpha",
    "network.dropout": "network_dropout",
    "network.weights": "network_weights",
    "optimizer.name": "optimizer",
    "optimizer.learning_rate": "learning_rate",
    "optimizer.text_encoder_learning_rate": "text_encoder_lr",
    "optimizer.scheduler": "lr_scheduler",
    "optimizer.warmup_steps": "lr_warmup_steps",
    "optimizer.gradient_clip": "max_grad_norm",
    "precision.compute": "mixed_precision",
    "precision.base": "fp8_base",
    "precision.save": "save_precision",
    "precision.vae": "sdxl_no_half_vae",
    "precision.gradient_checkpointing": "gradient_checkpointing",
    "precision.blocks_to_swap": "blocks_to_swap",
    "timesteps.sampling": "timestep_sampling",
    "timesteps.shift": "discrete_flow_shift",
    "timesteps.weighting": "weighting_scheme",
    "timesteps.prediction": "v_parameterization",
    "timesteps.min_snr_gamma": "min_snr_gamma",
    "timesteps.noise_offset": "noise_offset",
    "timesteps.guidance": "guidance_scale",
    "validation.prompts": "sample_prompts",
    "validation.every_steps": "sample_every_n_steps",
    "validation.every_epochs": "sample_every_n_epochs",
    "saving.folder": "output_dir",
    "saving.name": "output_name",
    "saving.every_steps": "save_every_n_steps",
    "saving.every_epochs": "save_every_n_epochs",
    "saving.keep": "save_last_n_epochs",
    "saving.resumable": "save_state",
    "saving.resume": "resume",
    "model": "pretrained_model_name_or_path",
    "text_encoder": "t5xxl",
    "vae": "vae",
    "steps": "max_train_steps",
    "epochs": "epoch",
    "batch_size": "train_batch_size",
    "accumulation": "gradient_accumulation_steps",
    "processes": "num_processes",
    "seed": "seed",
    "cache_latents": "cache_latents",
    "prompt_tokens": "max_token_length",
    "dataset.folder": "train_data_dir",
    "dataset.resolution": "max_resolution",
    "dataset.buckets": "enable_bucket",
    "dataset.caption_extension": "caption_extension",
    "dataset.caption_dropout": "caption_dropout_rate",
    "dataset.shuffle_tags": "shuffle_caption",
    "dataset.keep_tokens": "keep_tokens",
}
_SETTINGS = frozenset({"accelerate_launch", "configuration", "folders", "basic", "advanced", "server", "settings"})
_FINETUNE = frozenset({"caption_metadata_filename", "dataset_repeats", "image_folder", "create_caption"})
# What common_gui.py `update_my_data` makes of an empty or unreadable field, where it is not 0
_FALLBACKS = {"lr_scheduler_num_cycles": 1, "lr_scheduler_power": 1.0, "max_token_length": 75}


def recognise(document: Document) -> str | None:
    """`training` for a LoRA config, the other tabs' configs by their name, `settings` for the GUI's own file."""
    data = document.data
    if not isinstance(data, dict):
        return None
    if document.syntax == "toml":
        return "settings" if len(_SETTINGS & data.keys()) >= 2 and isinstance(data.get("model", {}), dict) else None
    if "LoRA_type" in data:
        return "training"
    if "num_vectors_per_token" in data and "pretrained_model_name_or_path" in data:
        return "textual inversion"
    if not {"max_resolution", "mixed_precision", "lr_warmup"} <= data.keys():
        return None
    return "finetune" if _FINETUNE & data.keys() else "dreambooth"


def read(document: Document, kind: str, reader: Reader) -> tuple[Plan, ...]:
    """The plan of a LoRA config; other kinds are named and not judged."""
    if kind != "training":
        return (Plan(TRAINER, kind, structured_config(document, key_table("kohya_gui", kind))),)
    gui = _config(document)
    script = script_of(gui)
    config = handed(gui)
    _count(config, gui)
    plan = training(config, script, reader, gui.get("num_processes"), _prompts(gui))
    words = additional(gui, script)
    return (
        plan._replace(
            trainer=TRAINER,
            config=gui,
            handed=config,
            script=script,
            launch=words if words.settings else None,
            validation=plan.validation._replace(held_out=_held_out(plan)),
            saving=plan.saving._replace(never=False) if config.open else plan.saving,
        ),
    )


def _config(document: Document) -> Config:
    """The fields, with numbers that were saved as text read the way the GUI reads them."""
    config = structured_config(document, key_table("kohya_gui", "lora"))
    config.lenient = True
    config.overwritten = ("max_train_steps",) if config.has("max_train_epochs") else ()  # as in sd-scripts
    for key, setting in config.settings.items():
        known = config.table.find(key)
        if known is not None and known.type in ("int", "int|float"):
            config.settings[key] = setting._replace(value=_number(key, setting.value, known.type))
    xformers = config.settings.get("xformers")
    if xformers is not None and isinstance(xformers.value, bool):
        config.settings["xformers"] = xformers._replace(value="xformers" if xformers.value else "none")
    old = config.settings.get("lora_network_weights")
    if old is not None and not config.has("network_weights"):
        config.settings["network_weights"] = old
    return config


def _number(key: str, value: Any, kind: str) -> Any:
    """`"10"` is 10 and an empty field 0; text that is no number stays, for a rule to judge."""
    if value == "" or value is None:
        return _FALLBACKS.get(key, 0)
    if isinstance(value, float) and kind == "int" and value.is_integer():
        return int(value)
    try:
        number = float(value) if isinstance(value, str) else value
    except ValueError:
        return value
    if isinstance(value, str) and kind == "int":
        return int(value) if value.strip().lstrip("-").isdigit() else value
    return int(number) if isinstance(number, float) and isinstance(value, str) and number.is_integer() else number


def _count(config: Config, gui: Config) -> None:
    """Steps or epochs: `max_train_epochs`, else `max_train_steps`, else `epoch` (lora_gui.py:1607-1730)."""
    epochs, steps = gui.get("max_train_epochs"), gui.get("max_train_steps")
    config.settings["max_train_epochs"] = epochs if epochs.value else epochs._replace(value=None, origin="unknown")
    if not steps.value and gui.get("dataset_config").value:
        config.settings["max_train_steps"] = steps._replace(value=1600, origin="default")
    elif not steps.value and not epochs.value:
        config.settings["max_train_steps"] = steps._replace(value=None, origin="unknown")
        config.settings["max_train_epochs"] = gui.get("epoch")


def _held_out(plan: Plan) -> Setting[Any]:
    """The GUI has no field for it: only a dataset config or an additional parameter can set it."""
    return plan.validation.held_out if plan.validation.held_out.value else Setting()


def _prompts(gui: Config) -> list[dict[str, Any]]:
    """The field holds the prompts themselves, one a line, which the GUI writes into a file."""
    lines = (line.strip() for line in str(gui.get("sample_prompts").value or "").splitlines())
    return [parse_line(line) for line in lines if line and not line.startswith("#")]
