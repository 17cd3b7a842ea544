"""One ai-toolkit process as a plan, each value as the trainer computes it.

Source: ostris/ai-toolkit@27a03a91 toolkit/config_modules.py, toolkit/lora_special.py, toolkit/optimizer.py,
jobs/process/BaseSDTrainProcess.py, extensions_built_in/sd_trainer/SDTrainer.py.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

from lora_doctor.dialects.ai_toolkit_archs import arch_of, arch_setting, declared
from lora_doctor.dialects.ai_toolkit_dataset import datasets
from lora_doctor.dialects.ai_toolkit_values import VARIABLE, job_name, sound
from lora_doctor.dialects.reader import Reader
from lora_doctor.models.families import size_of
from lora_doctor.plan import Component, Dataset, Network, Optimizer, Plan, Precision, Saving, Timesteps, Validation
from lora_doctor.setting import Config, Setting

DTYPES = {
    **dict.fromkeys(("float", "fp32", "single", "float32"), "fp32"),
    **dict.fromkeys(("fp16", "half", "float16"), "fp16"),
    **dict.fromkeys(("bf16", "bfloat16"), "bf16"),
    **dict.fromkeys(("8bit", "e4m3fn", "float8"), "fp8"),
}
QTYPES = {
    **dict.fromkeys(("qfloat8", "float8"), "fp8"),
    **dict.fromkeys(("convrot8", "uint8", "int8", "qint8", "convrotint8"), "int8"),
    **dict.fromkeys(("convrot4", "convrotint4", "uint4", "qint4", "orbit4", "orbitvq4"), "int4"),
    "nvfp4": "nvfp4",
}
DECAYS = {"adamw": 0.01, "adamw8bit": 0.01, "ademamix8bit": 0.01}  # the optimisers' own defaults; the others' is 0
KINDS = {"locon": "locon", "lycoris": "locon", "lokr": "lokr", "dora": "dora", "lorm": "lorm", "fullrank": "fullrank"}
SAMPLING = {"linear": "uniform", "flux_shift": "shift", "lumina2_shift": "shift", "next_sample": "shift"}


def training_plan(config: Config, reader: Reader, trainer: str) -> Plan:
    """The plan of one LoRA-training process."""
    get, data = partial(sound, config), datasets(config, reader)
    return Plan(
        trainer,
        "training",
        config,
        model=reader.component(get("model.name_or_path"), config.document, declared(config)),
        text_encoder=_text_encoder(config, reader),
        vae=reader.component(get("model.vae_path"), config.document),
        network=_network(config),
        optimizer=_optimizer(config),
        precision=_precision(config),
        timesteps=_timesteps(config),
        validation=_validation(config),
        saving=_saving(config, reader),
        steps=_steps(config),
        batch_size=get("train.batch_size"),
        accumulation=get("train.gradient_accumulation"),
        seed=get("training_seed"),
        trigger=get("trigger_word").map(lambda word: word or None),
        train_text_encoder=get("train.train_text_encoder"),
        cache_latents=_cached(config, data, ("cache_latents_to_disk", "cache_latents")),
        cache_text=get("train.cache_text_embeddings"),
        datasets=data,
    )


def _text_encoder(config: Config, reader: Reader) -> Component:
    """Klein's Qwen3 is chosen by `arch`; only a few other models read `te_name_or_path`."""
    arch = arch_of(config)
    size = size_of(arch.family, arch.size) if arch and arch.family == "flux2-klein" else None
    if size is None:
        return reader.component(sound(config, "model.te_name_or_path"), config.document)
    name = "Qwen/Qwen3-4B" if size.encoders == ("qwen3-4b",) else "Qwen/Qwen3-8B"
    return reader.component(Setting(name, "default", "model.arch", arch_setting(config).place), config.document)


def _network(config: Config) -> Network:
    """Transformers are trained in PEFT's format: alpha is set to the rank, whatever the config says."""
    if not isinstance(sound(config, "network").value, dict):
        return Network(kind=Setting(_whole(config), "default", "network", config.anchor))
    kind = sound(config, "network.type").map(lambda name: _kind(str(name)))
    rank, alpha = rank_of(config), alpha_of(config)
    scale, arch = None, arch_of(config)
    whole = kind.value == "lokr" and rank.value is None
    if whole or (arch is not None and not arch.alpha and kind.value != "locon"):
        scale, alpha = 1.0, alpha if alpha.written else alpha._replace(value=rank.value)
    elif arch is not None and rank.value and rank.value > 0 and alpha.origin != "unknown":
        scale = float(alpha.value or rank.value) / rank.value  # no alpha, or 0, is taken for the rank
    filters = "network.network_kwargs"
    return Network(
        kind=kind,
        rank=rank,
        alpha=alpha,
        scale=scale,
        conv_rank=sound(config, "network.conv"),
        conv_alpha=sound(config, "network.conv_alpha"),
        dropout=sound(config, "network.dropout"),
        targets=sound(config, f"{filters}.only_if_contains").map(_words),
        excluded=sound(config, f"{filters}.ignore_if_contains").map(_words),
        target_style="contains",
        weights=sound(config, "network.pretrained_lora_path"),
        dtype=Setting("fp32", "default", "network", sound(config, "network").place),
    )


def _whole(config: Config) -> str:
    """What is trained without a network."""
    if isinstance(sound(config, "embedding").value, dict):
        return "textual-inversion"
    return "adapter" if isinstance(sound(config, "adapter").value, dict) else "full"


def _kind(name: str) -> str:
    """A type the trainer does not know is trained as a plain LoRA."""
    return KINDS.get(name.lower(), "lora")


def rank_of(config: Config) -> Setting[int]:
    """`rank` wins over `linear`; a full-rank LoKr has none."""
    kind, full = sound(config, "network.type").value, sound(config, "network.lokr_full_rank").value
    rank = sound(config, "network.rank")
    written = rank if rank.value is not None else sound(config, "network.linear", 4)
    return written.map(lambda _: None) if str(kind).lower() == "lokr" and full is not False else written


def alpha_of(config: Config) -> Setting[float]:
    """`linear_alpha`, else `alpha`, else 1."""
    alpha = sound(config, "network.alpha")
    if config.has("network.linear_alpha") or not alpha.written:
        return sound(config, "network.linear_alpha", 1.0)
    return alpha


def _words(value: Any) -> list[str] | None:
    return [str(word) for word in value] if isinstance(value, list) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _optimizer(config: Config) -> Optimizer:
    name = sound(config, "train.optimizer")
    plain = str(name.value).lower()
    rate, adapting = sound(config, "train.lr"), plain.startswith(("prodigy", "dadaptation"))
    if adapting:  # toolkit/optimizer.py takes 1.0 for anything below 0.1
        rate = rate.map(lambda value: 1.0 if _is_number(value) and value < 0.1 else value)
    warm = sound(config, "train.lr_scheduler").value == "constant_with_warmup"
    return Optimizer(
        name=name,
        learning_rate=rate,
        weight_decay=sound(config, "train.optimizer_params.weight_decay", DECAYS.get(plain, 0.0)),
        scheduler=sound(config, "train.lr_scheduler"),
        warmup_steps=sound(config, "train.lr_scheduler_params.num_warmup_steps", 1000) if warm else Setting(),
        gradient_clip=Setting() if name.value == "adafactor" else sound(config, "train.max_grad_norm"),
        ema=sound(config, "train.ema_config.use_ema"),
    )


def _precision(config: Config) -> Precision:
    """`train.dtype` overwrites `model.dtype`; the adapter itself is kept in fp32."""
    compute = sound(config, "train.dtype").map(DTYPES.get)
    quantized = sound(config, "model.quantize").value is True
    quantized_encoder = sound(config, "model.quantize_te", quantized).value is True
    return Precision(
        compute=compute,
        base=sound(config, "model.qtype").map(_qtype) if quantized else compute,
        text_encoder=sound(config, "model.qtype_te").map(_qtype) if quantized_encoder else compute,
        vae=sound(config, "model.vae_dtype", sound(config, "train.dtype").value).map(DTYPES.get),
        save=sound(config, "save.dtype").map(DTYPES.get),
        gradient_checkpointing=sound(config, "train.gradient_checkpointing"),
    )


def _qtype(name: Any) -> str | None:
    """`uint3|path` names an accuracy-recovery adapter behind the bar."""
    return QTYPES.get(str(name).partition("|")[0])


def _timesteps(config: Config) -> Timesteps:
    arch = arch_of(config)
    sampling = sound(config, "train.timestep_type").map(lambda name: SAMPLING.get(name, name))
    if any(sound(config, f"train.{key}").value is True for key in ("linear_timesteps", "linear_timesteps2")):
        sampling = sampling._replace(value="weighted")
    if arch is not None and not arch.flow and sound(config, "train.noise_scheduler").value != "flowmatch":
        sampling = Setting("uniform", "default", "train.noise_scheduler", sound(config, "train").place)
    bypassed = sound(config, "train.bypass_guidance_embedding").value is True
    guided = arch is not None and arch.family == "flux1" and not bypassed
    return Timesteps(
        sampling=sampling,
        prediction=_prediction(config),
        min_snr_gamma=sound(config, "train.min_snr_gamma"),
        noise_offset=sound(config, "train.noise_offset"),
        guidance=sound(config, "train.cfg_scale") if guided else Setting(),
    )


def _prediction(config: Config) -> Setting[str]:
    arch, v_pred = arch_of(config), sound(config, "model.is_v_pred")
    if arch is None:
        return Setting()
    if arch.flow:
        return Setting("flow", "default", "model.arch", arch_setting(config).place)
    return v_pred.map(lambda on: "v" if on else "epsilon")


def _validation(config: Config) -> Validation:
    """Seeds are the same at every sampling: `walk_seed` counts within one round only, so it is left out here."""
    get = partial(sound, config)
    off = get("train.disable_sampling")
    size = [get(f"sample.{side}") for side in ("width", "height")]
    edges = [side.value for side in size]
    place = next((side for side in size if side.written), size[0])
    return Validation(
        prompts=off._replace(value=[]) if off.value is True else _prompts(config),
        every_steps=off._replace(value=None, origin="unknown")
        if off.value is True
        else _updates(config, get("sample.sample_every")),
        guidance=get("sample.guidance_scale"),
        sampler_steps=get("sample.sample_steps"),
        size=place._replace(value=edges) if all(_is_number(edge) for edge in edges) else Setting(),
        seed=get("sample.seed"),
        held_out=get("train.validation_config.validation_items"),
    )


def _prompts(config: Config) -> Setting[list[str]]:
    """The text of every preview: `samples` wins over `prompts`, flags are cut off, the trigger is put in."""
    samples, prompts = sound(config, "sample.samples"), sound(config, "sample.prompts")
    chosen = samples if samples.written and samples.value is not None else prompts
    if not isinstance(chosen.value, list):
        return chosen.map(lambda _: None)
    texts = [item.get("prompt") if isinstance(item, dict) else item for item in chosen.value]
    trigger = sound(config, "trigger_word").value
    plain = [text.partition("--")[0].strip() for text in texts if isinstance(text, str)]
    return chosen._replace(value=[text.replace("[trigger]", str(trigger)) if trigger else text for text in plain])


def _saving(config: Config, reader: Reader) -> Saving:
    every, folder = sound(config, "save.save_every"), sound(config, "training_folder")
    name = job_name(config.document)
    return Saving(
        folder=folder,
        name=Setting(name, "written" if name else "unknown", "config.name", config.anchor),
        every_steps=_updates(config, every.map(lambda steps: steps or None)),
        keep=sound(config, "save.max_step_saves_to_keep"),
        resumable=Setting(True, "default", "save", config.anchor),
        existing=_existing(config, reader, folder.value, name),
        never=not every.value,
    )


def _existing(config: Config, reader: Reader, folder: Any, name: str | None) -> tuple[str, ...]:
    """Files of this job's name in its output folder; a config that lies in there itself is a finished run's copy."""
    if not isinstance(folder, str) or not name or VARIABLE.search(folder):
        return ()
    path = reader.find(os.path.join(folder, name), config.document)
    if path is None or not path.is_dir() or path.resolve() == Path(config.document.name).resolve().parent:
        return ()
    return tuple(sorted(entry for entry in os.listdir(path) if entry.startswith(name)))


def _steps(config: Config) -> Setting[int]:
    """Optimiser steps: with the old accumulation key, `steps` counts the batches between two of them."""
    return _updates(config, sound(config, "train.steps"))


def _updates(config: Config, counted: Setting[int]) -> Setting[int]:
    """A count of batches as a count of optimiser steps."""
    old = sound(config, "train.gradient_accumulation_steps").value
    if not _is_number(old) or old == 1 or not old:
        return counted
    return counted.map(lambda count: max(1, count // old) if _is_number(count) and old > 0 else None)


def _cached(config: Config, data: tuple[Dataset, ...], keys: tuple[str, ...]) -> Setting[bool]:
    """The first dataset that caches; the default where none does."""
    found = [entry.get(key) for entry in data for key in keys]
    return next((setting for setting in found if setting.value is True), found[0] if found else Setting())
