"""What the kohya_ss GUI hands to sd-scripts: the TOML file it writes from its fields, and its additional parameters.

A field that is empty, off or 0 is left out (`value not in ["", False, None]`, and 0 equals False), so that the
script's own default counts. Source: bmaltais/kohya_ss@45088f04 kohya_gui/lora_gui.py:1700-2590, common_gui.py:379-510.
"""

from __future__ import annotations

from typing import Any

from lora_doctor.dialects.argv import command_config
from lora_doctor.dialects.sd_scripts_command import file_table, percentage, script_table
from lora_doctor.setting import Config, Setting
from lora_doctor.source.document import Command, Word

# The checkbox that is on chooses the script, the first in this order (lora_gui.py:1747-1760)
SCRIPTS = {
    "sdxl": "sdxl_train_network.py",
    "flux1_checkbox": "flux_train_network.py",
    "sd3_checkbox": "sd3_train_network.py",
    "hunyuan_image_checkbox": "hunyuan_image_train_network.py",
    "anima_checkbox": "anima_train_network.py",
    "lumina_checkbox": "lumina_train_network.py",
}
MODULES = {
    "Standard": "networks.lora", "Kohya LoCon": "networks.lora", "Kohya DyLoRA": "networks.dylora",
    "Kohya LoHa": "networks.loha", "Kohya LoKr": "networks.lokr", "LoRA-FA": "networks.lora_fa",
    "Flux1": "networks.lora_flux", "Flux1 OFT": "networks.oft_flux", "Anima": "networks.lora_anima",
    "HunyuanImage-2.1": "networks.lora_hunyuan_image", "Lumina": "networks.lora_lumina",
}  # fmt: skip
ALGOS = {
    "BOFT": "boft", "Diag-OFT": "diag-oft", "DyLoRA": "dylora", "GLoRA": "glora", "iA3": "ia3", "LoCon": "locon",
    "LoHa": "loha", "LoKr": "lokr", "Native Fine-Tuning": "full",
}  # fmt: skip
RENAMED = {"optimizer_type": "optimizer", "resolution": "max_resolution"}
# Handed on for one kind of model only: the field is `{model}_{option}`
PREFIXED = {
    "sdxl": ("cache_text_encoder_outputs", "no_half_vae"),
    "flux1": ("cache_text_encoder_outputs", "cache_text_encoder_outputs_to_disk"),
    "sd3": ("cache_text_encoder_outputs", "cache_text_encoder_outputs_to_disk", "clip_l", "t5xxl"),
    "hunyuan_image": ("cache_text_encoder_outputs", "cache_text_encoder_outputs_to_disk"),
    "hunyuan": ("text_encoder", "byt5", "vae", "discrete_flow_shift", "model_prediction_type", "timestep_sampling",
                "sigmoid_scale"),
    "anima": ("cache_text_encoder_outputs", "cache_text_encoder_outputs_to_disk", "vae", "qwen3", "discrete_flow_shift",
              "timestep_sampling", "sigmoid_scale"),
    "lumina": ("cache_text_encoder_outputs", "cache_text_encoder_outputs_to_disk", "gemma2", "ae",
               "discrete_flow_shift", "model_prediction_type", "timestep_sampling", "sigmoid_scale"),
}  # fmt: skip
_FLUX_ONLY = frozenset({
    "ae", "clip_l", "t5xxl", "discrete_flow_shift", "model_prediction_type", "timestep_sampling", "guidance_scale",
    "t5xxl_max_token_length", "split_mode", "apply_t5_attn_mask", "cpu_offload_checkpointing", "fp8_base_unet",
    "mem_eff_save", "model_type",
})  # fmt: skip
_SD3_ONLY = frozenset({"weighting_scheme", "logit_mean", "logit_std", "mode_scale", "clip_g"})
_OF_FLUX1 = ("img_attn_dim", "img_mlp_dim", "img_mod_dim", "single_dim", "txt_attn_dim", "txt_mlp_dim", "txt_mod_dim",
             "single_mod_dim", "in_dims", "train_double_block_indices", "train_single_block_indices")  # fmt: skip
_OF_KOHYA = ("down_lr_weight", "mid_lr_weight", "up_lr_weight", "block_lr_zero_threshold", "block_dims", "block_alphas",
             "conv_block_dims", "conv_block_alphas", "rank_dropout", "module_dropout")  # fmt: skip
_DROPOUTS = ("rank_dropout", "module_dropout")
_LORA_PLUS = ("loraplus_lr_ratio", "loraplus_unet_lr_ratio", "loraplus_text_encoder_lr_ratio")


def script_of(gui: Config) -> str:
    """The script that the checkboxes choose; without one, that of SD 1.x."""
    return next((script for key, script in SCRIPTS.items() if gui.get(key).value), "train_network.py")


def handed(gui: Config) -> Config:
    """The settings under sd-scripts' names; each still stands where the GUI's field stands."""
    script = script_of(gui)
    config = Config(gui.document, file_table(script))
    config.anchor = gui.anchor
    for key in config.table.keys:
        name = RENAMED.get(key, key)
        if gui.table.find(name) and not _withheld(key, script):
            config.settings[key] = _kept(config, key, gui.get(name))
    for model in _models(script):
        for key in PREFIXED[model]:
            config.settings[key] = _kept(config, key, gui.get(f"{model}_{key}"))
    _derived(config, gui, script)
    for key, setting in additional(gui, script).settings.items():
        config.settings[key] = setting
    return config


def _models(script: str) -> tuple[str, ...]:
    first = script.partition("_train")[0]
    return {"sdxl": ("sdxl",), "flux": ("flux1",), "sd3": ("sd3",), "anima": ("anima",), "lumina": ("lumina",),
            "hunyuan_image": ("hunyuan_image", "hunyuan")}.get(first, ())  # fmt: skip


def _withheld(key: str, script: str) -> bool:
    """Fields of one model that the GUI does not write for another."""
    if key in _FLUX_ONLY:
        return not script.startswith("flux_")
    return key in _SD3_ONLY and not script.startswith("sd3_")


def _kept(config: Config, key: str, field: Setting[Any]) -> Setting[Any]:
    """The field, or the script's default where the GUI leaves it out."""
    known = config.table.find(key)
    if field.value not in ("", False, None):
        return field
    default = known.default if known else None
    return field._replace(value=default, origin="unknown" if default is None else "default")


def _derived(config: Config, gui: Config, script: str) -> None:
    """What is not copied from one field."""
    text, unet = gui.get("text_encoder_lr"), gui.get("unet_lr")
    alone = script.startswith("hunyuan") or (not text.value and bool(unet.value))
    config.settings |= {
        "network_module": gui.get("LoRA_type").map(lambda name: module(str(name), script))._replace(rewrite=None),
        "network_args": gui.get("LoRA_type")._replace(value=network_args(gui), rewrite=None),
        "optimizer_args": _words(gui.get("optimizer_args")),
        "lr_scheduler_args": _words(gui.get("lr_scheduler_args")),
        "lr_warmup_steps": warmup(gui),
        "text_encoder_lr": _kept(config, "text_encoder_lr", text),
        "network_train_unet_only": text._replace(value=alone, origin="default", rewrite=None),
        "network_train_text_encoder_only": unet._replace(value=bool(text.value) and not unet.value, origin="default"),
        "sdpa": gui.get("xformers").map(lambda name: name == "sdpa"),
        "xformers": gui.get("xformers").map(lambda name: name == "xformers"),
    }
    original = gui.get("noise_offset_type").value == "Original"
    other = ("multires_noise_iterations", "multires_noise_discount")
    for key in other if original else ("noise_offset", "adaptive_noise_scale"):
        config.settings[key] = Setting(None, "unknown", key, gui.get(key).place)


def module(kind: str, script: str) -> str | None:
    """The network module a LoRA type stands for."""
    if kind.startswith(("LyCORIS/", "LoCon")):
        return "lycoris.kohya"
    if script.startswith("sd3_") and kind in ("Standard", "Kohya LoCon"):
        return "networks.lora_sd3"
    return MODULES.get(kind)


def network_args(gui: Config) -> list[str]:
    """The words of `network_args` that matter here, as the GUI joins them for this LoRA type."""
    kind = str(gui.get("LoRA_type").value)
    words: dict[str, Any] = {}
    if kind.startswith(("LyCORIS/", "LoCon")):
        algo = ALGOS.get(kind.partition("/")[2], "locon")
        names = (*(() if algo == "full" else ("conv_dim", "conv_alpha", "dora_wd")), *_DROPOUTS)
        words = {"preset": gui.get("LyCORIS_preset").value} | {name: gui.get(name).value for name in names}
        return [f"{name}={value}" for name, value in words.items()] + [f"algo={algo}"]
    if kind == "Kohya LoCon":
        words = {"conv_dim": gui.get("conv_dim").value, "conv_alpha": gui.get("conv_alpha").value}
    names = _names(kind)
    words |= {name: gui.get(name).value for name in (*names, *_LORA_PLUS) if gui.get(name).value}
    if kind == "Flux1":
        words |= {name: True for name in ("split_qkv", "train_t5xxl") if gui.get(name).value}
        words |= {"train_blocks": "single"} if gui.get("split_mode").value else {}
    return [f"{name}={value}" for name, value in words.items()]


def _names(kind: str) -> tuple[str, ...]:
    if kind == "Flux1":
        return (*_OF_FLUX1, *_DROPOUTS)
    if kind in ("Standard", "Kohya LoCon", "LoRA-FA"):
        return _OF_KOHYA
    if kind in ("Kohya DyLoRA", "Kohya LoHa", "Kohya LoKr"):
        return ("conv_dim", "conv_alpha", *(_OF_KOHYA if kind == "Kohya DyLoRA" else _DROPOUTS))
    return _DROPOUTS if kind != "Flux1 OFT" else ()


def _words(field: Setting[Any]) -> Setting[Any]:
    """Quotes are taken out and the text is split at blanks (lora_gui.py:2262)."""
    return field.map(lambda text: str(text).replace('"', "").split())._replace(rewrite=None)


def warmup(gui: Config) -> Setting[Any]:
    """Steps where they are given, else the percentage as a share (common_gui.py:1185 `resolve_lr_warmup_steps`)."""
    steps, percent, total = gui.get("lr_warmup_steps"), gui.get("lr_warmup"), gui.get("max_train_steps").value
    by_dataset = bool(gui.get("dataset_config").value)
    if isinstance(steps.value, (int, float)) and steps.value > 0 and (total or not by_dataset):
        return steps.map(int)
    if not isinstance(percent.value, (int, float)) or not percent.value:
        return percent._replace(value=0, origin="default" if percent.origin == "default" else percent.origin)
    if by_dataset and isinstance(total, (int, float)) and total > 0:
        return percent._replace(value=round(percent.value * total / 100), rewrite=None)
    return percent._replace(value=percent.value / 100, rewrite=None)


def additional(gui: Config, script: str) -> Config:
    """`additional_parameters`: words for the command line, which wins over everything above."""
    field = gui.get("additional_parameters")
    text = field.value if isinstance(field.value, str) and field.written else ""
    place = field.place or gui.anchor
    words = tuple(Word(part, place.span, literal=False) for part in text.replace('"', "").split())
    config = command_config(gui.document, Command(words, place.span), words, script_table(script))
    config.anchor = place
    for key, setting in config.settings.items():
        config.settings[key] = setting.map(percentage)._replace(place=place, rewrite=None, erase=None, rename=None)
    return config
