"""The parts of a musubi-tuner run in the vocabulary of a Plan.

Source: kohya-ss/musubi-tuner@30c658c training/trainer_base.py, training/parser_common.py, flux_2_train_network.py.
"""

from __future__ import annotations

import ast
from typing import Any

from lora_doctor.dialects.kohya_prompts import read_prompts
from lora_doctor.dialects.musubi_command import Call, launch_flags
from lora_doctor.dialects.reader import Reader
from lora_doctor.models.identify import ModelIdentity
from lora_doctor.plan import UNKNOWN, Component, Network, Optimizer, Precision, Saving, Timesteps, Validation
from lora_doctor.setting import Config, Setting, arguments

VERSIONS: dict[str, tuple[str | None, str | None, str | None]] = {
    "dev": ("flux2-dev", None, "dev"),
    "klein-4b": ("flux2-klein", "4B", "distilled"),
    "klein-base-4b": ("flux2-klein", "4B", "base"),
    "klein-9b": ("flux2-klein", "9B", "distilled"),
    "klein-base-9b": ("flux2-klein", "9B", "base"),
}
FAMILIES: dict[str, tuple[str | None, str | None, str | None]] = {
    "flux_kontext": ("flux1", None, "kontext"), "qwen_image": ("qwen-image", None, None), "wan": ("wan", None, None),
    "zimage": ("z-image", None, None), "hv": ("hunyuan", None, None), "hv_1_5": ("hunyuan", None, None),
    "hidream_o1": ("hidream", None, None), "ideogram4": ("ideogram", None, None), "krea2": ("krea2", None, None),
}  # fmt: skip
MODULES = {"networks.loha": "loha", "networks.lokr": "lokr"}
BLOCKS = r"(double_blocks|single_blocks)\..*"  # what networks.lora_flux_2 adapts; FLUX.2's modulation lies outside
DTYPES = {
    "no": "fp32", "bf16": "bf16", "fp16": "fp16", "float": "fp32", "fp32": "fp32", "float32": "fp32",
    "float16": "fp16", "bfloat16": "bf16",
}  # fmt: skip
GUIDANCE = 4.0  # of previews, for every version (flux_2_train_network.py: default_guidance_scale)


def declared(config: Config, architecture: str) -> ModelIdentity:
    """What the script's name and `--model_version` say the model is."""
    unknown: tuple[str | None, str | None, str | None] = (None, None, None)
    if architecture == "flux_2":
        family, size, variant = VERSIONS.get(str(config.sound("model_version").value), unknown)
    else:
        family, size, variant = FAMILIES.get(architecture, unknown)
    return ModelIdentity(role="transformer", family=family, size=size, variant=variant)


def model(config: Config, architecture: str, reader: Reader) -> Component:
    """`--dit`, with what the flags say it is."""
    setting = config.sound("dit")
    identity = declared(config, architecture)
    if setting.value is None and config.sound("model_version").written:
        return Component(config.sound("model_version"), identity)
    found = reader.component(setting, _beside(setting, config), identity)
    if found.found.family and not config.sound("model_version").written:
        return found._replace(declared=UNKNOWN)  # `dev` by default: a rule of its own says so
    return found


def component(config: Config, key: str, reader: Reader) -> Component:
    """A model file, looked for beside the file its path is written in."""
    setting = config.sound(key)
    return reader.component(setting, _beside(setting, config))


def _beside(setting: Setting[Any], config: Config) -> Any:
    return setting.place.document if setting.place else config.document


def _argument(setting: Setting[Any], key: str, default: float | None = None) -> Setting[float]:
    """One number of `--optimizer_args` or `--network_args`; no fix may write it, it is part of a longer value."""
    value: float | None = default
    written = arguments(setting).get(key)
    if written is not None:
        try:
            value = float(written)
        except ValueError:
            value = None
    origin = "unknown" if value is None else "written" if written is not None else "default"
    return Setting(value, origin, f"{setting.key} {key}", setting.place)


def network(config: Config, call: Call | None) -> Network:
    """Alpha 1 unless given; alpha 0 means alpha = rank (networks/lora.py). The adapter is kept in fp32."""
    if call is not None and call.script.endswith("_train.py"):
        return Network(kind=Setting("full", "written", call.script, config.anchor))
    module, given = config.sound("network_module"), config.sound("network_args")
    kind = module.map(lambda name: _kind(str(name), arguments(given)))
    rank, alpha = config.sound("network_dim", 4), config.sound("network_alpha")
    excluded = given.map(lambda _: _excluded(arguments(given)))
    return Network(
        kind=kind,
        rank=rank,
        alpha=alpha,
        scale=_scale(rank.value, alpha.value) if kind.value in ("lora", "loha") else None,
        conv_rank=_argument(given, "conv_dim").map(int),
        conv_alpha=_argument(given, "conv_alpha"),
        dropout=config.sound("network_dropout"),
        targets=excluded.map(lambda _: BLOCKS),
        excluded=excluded,
        target_naming="native",
        weights=config.sound("network_weights"),
        dtype=Setting("fp32", "default", module.key, module.place),
    )


def _kind(module: str, given: dict[str, str]) -> str | None:
    if module.startswith("lycoris"):
        return {"lora": "lora", "locon": "locon", "loha": "loha", "lokr": "lokr"}.get(given.get("algo", "lora"))
    plain = module.removeprefix("musubi_tuner.")
    return MODULES.get(plain, "lora" if plain.startswith("networks.lora") else None)


def _excluded(given: dict[str, str]) -> str | None:
    """`exclude_patterns=['.*single.*']`, each over a module's whole name; None beside `include_patterns`."""
    try:
        patterns = ast.literal_eval(given.get("exclude_patterns", ""))
    except (ValueError, SyntaxError):
        return None
    words = [item for item in patterns if isinstance(item, str)] if isinstance(patterns, list) else []
    return "|".join(f"(?:{word})" for word in words) if words and "include_patterns" not in given else None


def _scale(rank: Any, alpha: Any) -> float | None:
    numbers = isinstance(rank, int) and isinstance(alpha, (int, float)) and rank > 0
    return (float(alpha) / rank if alpha else 1.0) if numbers else None


def optimizer(config: Config, steps: Setting[int], processes: int | None) -> Optimizer:
    """8-bit AdamW, AdamW and Adafactor by any spelling; everything else is a class name, case and all."""
    name, given = config.sound("optimizer_type").map(lambda text: text or None), config.sound("optimizer_args")
    plain = str(name.value or "").lower()
    decay = 0.01 if plain in ("adamw", "adamw8bit") else 0.0 if plain == "adafactor" else None
    scheduler = config.sound("lr_scheduler_type")
    warmup = config.sound("lr_warmup_steps").map(lambda value: _steps(value, steps.value, processes))
    return Optimizer(
        name=name,
        learning_rate=config.sound("learning_rate"),
        weight_decay=_argument(given, "weight_decay", decay),
        scheduler=scheduler if scheduler.value else config.sound("lr_scheduler"),
        warmup_steps=warmup,
        gradient_clip=config.sound("max_grad_norm"),
    )


def _steps(value: Any, steps: int | None, processes: int | None) -> float | None:
    """An integer counts scheduler steps, of which each device takes one per optimiser step; a float is a ratio."""
    if isinstance(value, float):
        return value * steps if steps else None
    return value / (processes or 1) if isinstance(value, int) and not isinstance(value, bool) else None


def precision(config: Config, call: Call | None, flux2: bool) -> Precision:
    """Without `--mixed_precision`, that of `accelerate launch` or of `accelerate config` counts."""
    compute = config.sound("mixed_precision")
    if not compute.written and call is not None:
        given = (_word(name, word, config) for name, word in launch_flags(call) if name == "mixed_precision")
        compute = next(given, compute)
    half = "fp16" if compute.value == "fp16" else "bf16"
    fp8, fp8_text = config.sound("fp8_base"), config.sound("fp8_text_encoder")
    return Precision(
        compute=compute.map(DTYPES.get),
        base=fp8.map(lambda on: "fp8" if on else half),
        text_encoder=fp8_text.map(lambda on: "fp8" if on else "bf16") if flux2 else Setting(),
        vae=config.sound("vae_dtype", "float32" if flux2 else None).map(lambda name: DTYPES.get(str(name))),
        save=config.sound("save_precision", "fp32").map(DTYPES.get),
        gradient_checkpointing=config.sound("gradient_checkpointing"),
        blocks_to_swap=config.sound("blocks_to_swap"),
    )


def _word(name: str, word: Any, config: Config) -> Setting[Any]:
    place = config.anchor._replace(span=word.span)
    return Setting(word.text if word.known else None, "written" if word.known else "unknown", f"--{name}", place)


def processes(config: Config, call: Call | None) -> Setting[int]:
    """`accelerate launch --num_processes`; without it, accelerate's own config says how many devices there are."""
    if call is not None:
        for name, word in launch_flags(call):
            if name == "num_processes":
                return _word(name, word, config).map(lambda text: int(text) if text.isdigit() else None)
    return Setting()


def timesteps(config: Config) -> Timesteps:
    """`--discrete_flow_shift` counts with `shift` and `sigma` only; `--weighting_scheme` samples with `sigma` only."""
    sampling = config.sound("timestep_sampling")
    shifted = sampling.value in ("shift", "sigma")
    return Timesteps(
        sampling=sampling,
        shift=config.sound("discrete_flow_shift") if shifted else Setting(),
        weighting=config.sound("weighting_scheme"),
        prediction=Setting("flow", "default", sampling.key, sampling.place),
    )


def validation(config: Config, flux2: bool, reader: Reader) -> Validation:
    """Previews: 256 x 256 and 20 steps unless the prompt's own flags say otherwise."""
    file = config.sound("sample_prompts")
    path = reader.find(file.value, _beside(file, config)) if isinstance(file.value, str) else None
    prompts = read_prompts(path) if path is not None and path.is_file() else None
    first = prompts[0] if prompts else {}

    def read(key: str, default: Any) -> Setting[Any]:
        value = first.get(key, default)
        known = bool(prompts) and value is not None
        return Setting(
            value if known else None,
            "unknown" if not known else "written" if key in first else "default",
            file.key,
            file.place,
        )

    width, height = read("width", 256), read("height", 256)
    return Validation(
        prompts=file.map(lambda _: [str(item.get("prompt", "")) for item in prompts] if prompts else None),
        every_steps=config.sound("sample_every_n_steps"),
        every_epochs=config.sound("sample_every_n_epochs"),
        guidance=read("guidance_scale", GUIDANCE if flux2 else None),
        sampler_steps=read("sample_steps", 20),
        size=width.map(lambda w: [w, height.value]),
        seed=read("seed", None),
    )


def saving(config: Config) -> Saving:
    """`--save_last_n_steps` counts steps, not files; `--save_last_n_epochs` counts checkpoints."""
    every, last = config.sound("save_every_n_steps"), config.sound("save_last_n_steps")
    epochs = config.sound("save_every_n_epochs")
    keep = config.sound("save_last_n_epochs")
    if every.value:
        keep = last.map(lambda steps: int(steps) // int(every.value or 1) + 1)
        keep = keep._replace(rewrite=None)  # it is in steps: the number of checkpoints is no value for it
    states = config.sound("save_state")
    return Saving(
        folder=config.sound("output_dir"),
        name=config.sound("output_name"),
        every_steps=every,
        every_epochs=epochs,
        keep=keep,
        resumable=states if states.value else config.sound("save_state_on_train_end"),
        resume=config.sound("resume"),
        never=not (every.value or epochs.value) and not config.unread("save_every_n_steps", "save_every_n_epochs"),
    )
