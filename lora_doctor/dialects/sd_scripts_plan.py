"""The parts of an sd-scripts run in the vocabulary of a Plan; the GUI's runs are read through these as well.

Source: kohya-ss/sd-scripts@48d368fa train_network.py, library/train_util.py, networks/*.py.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from lora_doctor.dialects.kohya_prompts import read_prompts
from lora_doctor.dialects.reader import Reader
from lora_doctor.dialects.sd_scripts_command import FAMILIES, FLOW
from lora_doctor.models.identify import ModelIdentity
from lora_doctor.plan import UNKNOWN, Component, Network, Optimizer, Precision, Saving, Timesteps, Validation
from lora_doctor.setting import Config, Setting
from lora_doctor.source.document import Document

DTYPES = {"no": "fp32", "fp16": "fp16", "bf16": "bf16", "float": "fp32"}
MODULES = {
    "networks.dylora": "dylora", "networks.oft": "oft", "networks.oft_flux": "oft", "networks.loha": "loha",
    "networks.lokr": "lokr",
}  # fmt: skip
ALGOS = {"lora": "locon", "locon": "locon", "diag-oft": "oft"}  # LyCORIS' `lora` covers convolutions as well
SCALED = ("lora", "locon", "dora", "loha", "dylora")  # these multiply by alpha / rank
# What each optimiser's own class takes (torch, bitsandbytes, lion-pytorch, prodigyopt, transformers)
DECAYS = {"adamw": 0.01, "adamw8bit": 0.01, "pagedadamw": 0.01, "pagedadamw8bit": 0.01, "pagedadamw32bit": 0.01,
          "lion": 0.0, "lion8bit": 0.0, "prodigy": 0.0, "adafactor": 0.0}  # fmt: skip


def beside(setting: Setting[Any], config: Config) -> Document:
    """The document a path is written in: other paths are looked for from there."""
    return setting.place.document if setting.place else config.document


def declared(config: Config, script: str) -> ModelIdentity:
    """What the script takes the checkpoint for."""
    family = FAMILIES.get(script)
    if family == "sd15" and config.get("v2").value:
        family = "sd2"
    if family == "flux1" and config.get("model_type").value == "chroma":
        family = "chroma"
    return ModelIdentity(role="checkpoint", family=family) if family else UNKNOWN


def component(config: Config, keys: tuple[str, ...], reader: Reader, declared: ModelIdentity = UNKNOWN) -> Component:
    """The first of these keys that is written."""
    setting = next((config.get(key) for key in keys if config.get(key).value), config.get(keys[0]))
    return reader.component(setting, beside(setting, config), declared)


def pairs(setting: Setting[Any]) -> dict[str, str]:
    """`--network_args conv_dim=8 ...` as a dictionary; the last of two equal keys wins."""
    words = setting.value if isinstance(setting.value, list) else []
    split = (word.partition("=") for word in words if isinstance(word, str))
    return {key: value for key, equals, value in split if equals}


def whole(value: Any) -> int | None:
    """An integer; whatever else stands there is for a rule to judge."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def argument(setting: Setting[Any], key: str, default: Any = None) -> Setting[Any]:
    """One number of `network_args` or `optimizer_args`; no fix may write it, it is part of a longer value."""
    written = pairs(setting).get(key)
    value = default if written is None else _number(written)
    origin = "unknown" if value is None else "default" if written is None else "written"
    return Setting(value, origin, f"{setting.key} {key}", setting.place)


def _number(text: str) -> float | int | None:
    try:
        return int(text) if text.lstrip("-").isdigit() else float(text)
    except ValueError:
        return None


def network(config: Config) -> Network:
    """Rank 4 and alpha 1 unless given; alpha 0 means alpha = rank (networks/lora.py `LoRAModule`)."""
    module, given = config.get("network_module"), config.get("network_args")
    args = pairs(given)
    kind = module.map(lambda name: _kind(str(name), args))
    from_file = bool(config.get("dim_from_weights").value) or any(key.endswith(("_dim", "_dims")) and key != "conv_dim"
                                                                  for key in args)  # fmt: skip
    rank = Setting[int]() if from_file else config.get("network_dim", 4)
    alpha = config.get("network_alpha") if not from_file else Setting[float]()
    lycoris = str(module.value).startswith("lycoris")
    half = config.get("full_bf16") if config.get("full_bf16").value else config.get("full_fp16")
    return Network(
        kind=kind,
        rank=rank,
        alpha=alpha if kind.value in (*SCALED, "lokr", None) else Setting(),
        scale=_scale(rank.value, alpha.value, args) if kind.value in SCALED else None,
        conv_rank=argument(given, "conv_dim", rank.value if lycoris else None),
        conv_alpha=argument(given, "conv_alpha", alpha.value if lycoris else 1.0 if "conv_dim" in args else None),
        dropout=config.get("network_dropout"),
        target_style="sd-scripts",
        weights=config.get("network_weights"),
        dtype=half.map(lambda on: ("bf16" if half.key.endswith("bf16") else "fp16") if on else "fp32"),
    )


def _kind(module: str, args: Mapping[str, str]) -> str | None:
    if module.startswith("lycoris"):
        algo = args.get("algo", "lora").lower()
        return "dora" if args.get("dora_wd", "").lower() == "true" else ALGOS.get(algo, algo)
    if module in MODULES:
        return MODULES[module]
    if module.startswith("networks.lora"):
        return "locon" if "conv_dim" in args else "lora"
    return None


def _scale(rank: Any, alpha: Any, args: Mapping[str, str]) -> float | None:
    if not isinstance(rank, (int, float)) or not isinstance(alpha, (int, float)) or rank <= 0:
        return None
    divisor = rank**0.5 if args.get("rs_lora", "").lower() == "true" else rank
    return float(alpha) / divisor if alpha else 1.0


def optimizer_name(config: Config) -> Setting[str]:
    """AdamW without a word; the old flags `use_8bit_adam` and `use_lion_optimizer` name theirs."""
    name = config.get("optimizer_type")
    for key, meant in (("use_8bit_adam", "AdamW8bit"), ("use_lion_optimizer", "Lion")):
        if not name.value and config.get(key).value:
            return config.get(key).map(lambda _, meant=meant: meant)  # type: ignore[misc]
    if name.value is None:
        return name
    return name if name.value else name._replace(value="AdamW", origin="default")


def relative_steps(name: Setting[str], given: Setting[Any]) -> bool:
    """Adafactor's default: it sets its own rate and schedule, the learning rates are dropped (train_util.py:5040)."""
    args = pairs(given)
    off = args.get("relative_step") == "False" and args.get("warmup_init") != "True"
    return str(name.value).lower() == "adafactor" and not off


def optimizer(config: Config, steps: Setting[int], processes: int | None) -> Optimizer:
    """`unet_lr` and `text_encoder_lr` each stand in for `learning_rate` where they are given."""
    name, given = optimizer_name(config), config.get("optimizer_args")
    plain = str(name.value or "").lower()
    own_schedule = relative_steps(name, given)
    unet, both = config.get("unet_lr"), config.get("learning_rate")
    rate = unet if unet.value is not None or config.unread("unet_lr") else both
    text = config.get("text_encoder_lr").map(lambda value: value[0] if isinstance(value, list) and value else value)
    text = text if text.value is not None and text.value != [] else both
    if own_schedule:
        rate, text = (each._replace(value=None, origin="unknown") for each in (rate, text))
    scheduler = config.get("lr_scheduler_type")
    scheduler = scheduler if scheduler.value else config.get("lr_scheduler")
    if own_schedule:
        scheduler = scheduler._replace(value="adafactor")
    warmup = config.get("lr_warmup_steps").map(lambda value: _steps(value, steps.value, processes))
    return Optimizer(
        name=name,
        learning_rate=rate,
        text_encoder_learning_rate=text if not config.get("network_train_unet_only").value else Setting(),
        weight_decay=argument(given, "weight_decay", DECAYS.get(plain)),
        scheduler=scheduler if not plain.endswith("schedulefree") else Setting(),
        warmup_steps=warmup if not plain.endswith("schedulefree") else Setting(),
        gradient_clip=config.get("max_grad_norm"),
    )


def _steps(value: Any, steps: int | None, processes: int | None) -> float | None:
    """An integer counts scheduler steps, of which each device takes one per optimiser step; a float is a ratio."""
    if isinstance(value, float):
        return value * steps if steps is not None and whole(steps) else None
    return value / (whole(processes) or 1) if whole(value) is not None else None


def precision(config: Config, family: str | None) -> Precision:
    """`no` without `mixed_precision`: what `accelerate launch` is told does not count (train_util.py:5495)."""
    compute = config.get("mixed_precision").map(lambda name: DTYPES.get(str(name)))
    fp8, unet_only = config.get("fp8_base"), config.get("fp8_base_unet")
    base = fp8 if fp8.value or not unet_only.value else unet_only
    full = bool(config.get("full_bf16").value or config.get("full_fp16").value)
    whole = config.get("no_half_vae")
    return Precision(
        compute=compute,
        base=base.map(lambda on: "fp8" if on else compute.value),
        text_encoder=fp8.map(lambda on: "fp8" if on and not unet_only.value else compute.value),
        vae=whole.map(lambda on: "fp32" if on else compute.value),
        save=config.get("save_precision", compute.value if full else "float").map(lambda n: DTYPES.get(str(n), str(n))),
        gradient_checkpointing=config.get("gradient_checkpointing").map(bool),
        blocks_to_swap=config.get("blocks_to_swap") if family in FLOW else Setting(),
    )


def timesteps(config: Config, family: str | None) -> Timesteps:
    """The flow-matching scripts read none of the noise settings of SD and SDXL, and these none of theirs."""
    if family is None:
        return Timesteps()
    if family in (*FLOW, "chroma"):
        sampling = config.get("timestep_sampling", "sigma" if family == "sd3" else ...)
        return Timesteps(
            sampling=sampling,
            shift=config.get("discrete_flow_shift") if sampling.value in ("shift", "sigma") else Setting(),
            weighting=config.get("weighting_scheme"),
            prediction=Setting("flow", "default", "", config.anchor),
            guidance=config.get("guidance_scale") if family == "flux1" else Setting(),
        )
    return Timesteps(
        sampling=Setting("uniform", "default", "min_timestep", config.anchor),
        prediction=config.get("v_parameterization").map(lambda on: "v" if on else "epsilon"),
        zero_terminal_snr=config.get("zero_terminal_snr").map(bool),
        min_snr_gamma=config.get("min_snr_gamma"),
        noise_offset=config.get("noise_offset"),
    )


def prompts(config: Config, reader: Reader) -> list[dict[str, Any]] | None:
    """What the file of `sample_prompts` holds."""
    file = config.get("sample_prompts")
    path = reader.find(file.value, beside(file, config)) if isinstance(file.value, str) else None
    return read_prompts(path) if path is not None and path.is_file() else None


def validation(config: Config, family: str | None, prompts: list[dict[str, Any]] | None) -> Validation:
    """Previews by epoch rule out those by step; size 512 unless a prompt says otherwise (train_util.py:6383, 6506)."""
    file, epochs = config.get("sample_prompts"), config.get("sample_every_n_epochs")
    first = prompts[0] if prompts else {}

    def read(key: str, default: Any) -> Setting[Any]:
        value = first.get(key, default)
        origin = "unknown" if not prompts or value is None else "written" if key in first else "default"
        return Setting(None if origin == "unknown" else value, origin, file.key, file.place)

    flow = family in FLOW
    width, height = read("width", 512), read("height", 512)
    return Validation(
        prompts=file.map(lambda _: [str(item.get("prompt", "")) for item in prompts] if prompts else None),
        every_steps=config.get("sample_every_n_steps") if not epochs.value else Setting(),
        every_epochs=epochs,
        guidance=read("guidance_scale", 3.5) if family == "flux1" else Setting() if flow else read("cfg_scale", 7.5),
        sampler_steps=read("sample_steps", 20 if flow else 30),
        size=width.map(lambda w: [w, height.value]),
        seed=read("seed", None),
    )


def saving(config: Config, reader: Reader) -> Saving:
    """`save_last_n_steps` counts steps, not files; `save_last_n_epochs` counts checkpoints (train_util.py:5786)."""
    every, epochs, share = (config.get(f"save_{key}") for key in ("every_n_steps", "every_n_epochs", "n_epoch_ratio"))
    keep = config.get("save_last_n_epochs")
    interval = whole(every.value) or 0
    if interval > 0:
        keep = config.get("save_last_n_steps").map(whole).map(lambda steps: steps // interval + 1)
        keep = keep._replace(rewrite=None)  # it is in steps: the number of checkpoints is no value for it
    states = config.get("save_state")
    folder, name = config.get("output_dir"), config.get("output_name")
    path = reader.find(folder.value, beside(folder, config)) if isinstance(folder.value, str) else None
    own = str(name.value or "last")
    existing = sorted(os.listdir(path)) if path is not None and path.is_dir() else []
    return Saving(
        folder=folder,
        name=name,
        every_steps=every,
        every_epochs=epochs,
        keep=keep,
        resumable=states if states.value else config.get("save_state_on_train_end"),
        resume=config.get("resume"),
        existing=tuple(entry for entry in existing if entry.startswith(own)),
        never=not config.open
        and not (every.value or epochs.value or share.value)
        and not config.unread("save_every_n_steps", "save_every_n_epochs", "save_n_epoch_ratio"),
    )


def prompt_tokens(config: Config, family: str | None) -> Setting[int]:
    """75 for CLIP unless `max_token_length`; of T5 512, and 256 for schnell."""
    if family == "flux1":
        return config.get("t5xxl_max_token_length", 512)
    return config.get("max_token_length", 75) if family in ("sd15", "sd2", "sdxl") else Setting()
