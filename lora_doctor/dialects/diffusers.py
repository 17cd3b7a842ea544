"""The example scripts of diffusers: every setting is an option of one command, read by argparse.

Source: huggingface/diffusers@58eb52c0 examples/; what a script does beyond its options stands in
`diffusers_scripts.py`.
"""

from __future__ import annotations

from math import prod
from typing import Any

from lora_doctor.dialects.argv import command_config
from lora_doctor.dialects.diffusers_copy import table_of
from lora_doctor.dialects.diffusers_scripts import SCRIPTS, Script
from lora_doctor.dialects.launch import Launch, Launcher, launcher, launches
from lora_doctor.dialects.reader import Reader
from lora_doctor.finding import Place
from lora_doctor.models.identify import ModelIdentity
from lora_doctor.plan import (
    UNKNOWN,
    Component,
    Dataset,
    Network,
    Optimizer,
    Plan,
    Precision,
    Saving,
    Timesteps,
    Validation,
)
from lora_doctor.setting import Config, Key, Setting, key_table
from lora_doctor.source.document import Document

TRAINER = "diffusers"
CONCEPTS = {
    "model": "pretrained_model_name_or_path",
    "vae": "pretrained_vae_model_name_or_path",
    "network.rank": "rank",
    "network.alpha": "lora_alpha",
    "network.dropout": "lora_dropout",
    "network.targets": "lora_layers",
    "optimizer.name": "optimizer",
    "optimizer.learning_rate": "learning_rate",
    "optimizer.text_encoder_learning_rate": "text_encoder_lr",
    "optimizer.weight_decay": "adam_weight_decay",
    "optimizer.scheduler": "lr_scheduler",
    "optimizer.warmup_steps": "lr_warmup_steps",
    "optimizer.gradient_clip": "max_grad_norm",
    "optimizer.ema": "use_ema",
    "precision.compute": "mixed_precision",
    "precision.gradient_checkpointing": "gradient_checkpointing",
    "timesteps.weighting": "weighting_scheme",
    "timesteps.min_snr_gamma": "snr_gamma",
    "timesteps.noise_offset": "noise_offset",
    "timesteps.guidance": "guidance_scale",
    "validation.prompts": "validation_prompt",
    "validation.every_epochs": "validation_epochs",
    "saving.folder": "output_dir",
    "saving.every_steps": "checkpointing_steps",
    "saving.keep": "checkpoints_total_limit",
    "saving.resume": "resume_from_checkpoint",
    "steps": "max_train_steps",
    "epochs": "num_train_epochs",
    "batch_size": "train_batch_size",
    "accumulation": "gradient_accumulation_steps",
    "seed": "seed",
    "train_text_encoder": "train_text_encoder",
    "cache_latents": "cache_latents",
    "prompt_tokens": "max_sequence_length",
    "dataset.folder": "instance_data_dir",
    "dataset.resolution": "resolution",
    "dataset.buckets": "use_aspect_ratio_buckets",
    "dataset.repeats": "repeats",
    "dataset.caption_dropout": "caption_dropout",
    "dataset.prompt": "instance_prompt",
}
FLOW = frozenset({"flux2-klein", "flux2-dev", "flux1", "sana", "sd3", "lumina", "hidream", "qwen-image", "z-image"})
IMAGES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif"})  # what pillow opens
CLIP_TOKENS = Key("int", 77)  # of the scripts that have no option for it


def recognise(document: Document) -> str | None:
    """A command that starts one of the scripts by name."""
    return "training" if any(launches(document, SCRIPTS.__contains__)) else None


def read(document: Document, kind: str, reader: Reader) -> tuple[Plan, ...]:
    """One plan per command that starts a script."""
    return tuple(_plan(document, launch, reader) for launch in launches(document, SCRIPTS.__contains__))


def _plan(document: Document, launch: Launch, reader: Reader) -> Plan:
    script = SCRIPTS[launch.script]
    table, copy = key_table("diffusers", launch.script), reader.find(launch.word.text, document)
    table = table_of(copy, table) if copy is not None and copy.is_file() else table
    config = command_config(document, launch.command, launch.words, table)
    get = config.get
    start = launcher(document, launch, reader)
    compute = _compute(config, start)
    declared = ModelIdentity(role="pipeline", family=script.family) if script.family else UNKNOWN
    datasets = _datasets(config, script, reader)
    stops_by_steps = config.has("max_train_steps")
    return Plan(
        TRAINER,
        "training",
        config,
        script=launch.script,
        model=reader.component(get("pretrained_model_name_or_path"), document, declared),
        text_encoder=Component(_of_script(config, "pretrained_model_name_or_path", None)),
        vae=reader.component(get("pretrained_vae_model_name_or_path"), document),
        network=_network(config, script, compute) if not script.full else _whole(document, launch),
        optimizer=_optimizer(config, script, start),
        precision=_precision(config, script, compute, reader),
        timesteps=_timesteps(config, script),
        validation=_validation(config),
        saving=_saving(config),
        steps=get("max_train_steps"),
        epochs=_of_script(config, "num_train_epochs", None) if stops_by_steps else get("num_train_epochs"),
        batch_size=get("train_batch_size"),
        accumulation=get("gradient_accumulation_steps"),
        processes=start.processes,
        seed=get("seed"),
        trigger=_trigger(config),
        train_text_encoder=get("train_text_encoder", False),
        cache_latents=_cache_latents(config, script, datasets),
        cache_text=_of_script(config, "caption_column", script.latents in ("index", "fixed") or None),
        prompt_tokens=get("max_sequence_length", config.table.keys.get("max_sequence_length", CLIP_TOKENS).default),
        datasets=datasets,
    )


def _cache_latents(config: Config, script: Script, datasets: tuple[Dataset, ...]) -> Setting[bool]:
    """Not to be recommended where the cache would pair images with other captions: then it is left unknown."""
    given = config.get("cache_latents")
    shuffled = script.latents == "step" and any(data.caption_source.value == "column" for data in datasets)
    return given._replace(value=None, origin="unknown") if shuffled and given.value is False else given


def _of_script(config: Config, key: str, value: Any) -> Setting[Any]:
    """What the script itself settles: it stands nowhere, and is reported where `key` would be."""
    return config.get(key)._replace(value=value, origin="unknown" if value is None else "default")


def _compute(config: Config, start: Launcher) -> Setting[str]:
    """The script's option wins; without it `Accelerator(mixed_precision=None)` takes the launcher's."""
    own = config.get("mixed_precision")
    if config.has("mixed_precision") or config.open:
        return own.map(_precision_name)
    given = start.precision.map(_precision_name)
    return own._replace(value=given.value, origin=given.origin)


def _precision_name(text: Any) -> str | None:
    return {"no": "fp32", "fp16": "fp16", "bf16": "bf16", "fp8": "fp8"}.get(str(text).strip("'\""))


def _network(config: Config, script: Script, compute: Setting[str]) -> Network:
    """Scripts without `--lora_alpha` build the adapter with alpha = rank."""
    rank = config.get("rank")
    alpha = config.get("lora_alpha") if "lora_alpha" in config.table.keys else _of_script(config, "rank", rank.value)
    return Network(
        kind=_of_script(config, "use_dora", "dora" if config.get("use_dora").value else "lora"),
        rank=rank,
        alpha=alpha,
        scale=_scale(rank.value, alpha.value),
        dropout=config.get("lora_dropout"),
        targets=_targets(config, script),
        dtype=_adapter_dtype(config, compute),
    )


def _whole(document: Document, launch: Launch) -> Network:
    """InstructPix2Pix trains the whole UNet: who wrote this script's name asked for that."""
    place = Place(document, launch.word.span, ("script",))
    return Network(kind=Setting("full", "written", launch.script, place))


def _scale(rank: Any, alpha: Any) -> float | None:
    return alpha / rank if isinstance(rank, int) and isinstance(alpha, int) and rank > 0 else None


def _targets(config: Config, script: Script) -> Setting[list[str]]:
    if any(config.get(key).value for key in ("use_blora", "lora_unet_blocks", "lora_blocks")):
        return Setting()
    given = config.get("lora_layers")
    if config.has("lora_layers"):
        return given.map(lambda text: [layer.strip() for layer in str(text).split(",")])
    return _of_script(config, "lora_layers", None if config.open else list(script.targets))


def _adapter_dtype(config: Config, compute: Setting[str]) -> Setting[str]:
    """PEFT makes adapter weights in the base's format; only `--mixed_precision fp16` of the script lifts them to fp32.

    A base quantised with bitsandbytes has no float format to follow: the adapter stays in fp32.
    """
    own = config.get("mixed_precision")
    if config.has("bnb_quantization_config_path") or (own.written and compute.value == "fp16"):
        return compute._replace(value="fp32", origin="default")
    return compute._replace(origin="default" if compute.value else "unknown")


def _optimizer(config: Config, script: Script, start: Launcher) -> Optimizer:
    trains_encoder = config.get("train_text_encoder").value
    return Optimizer(
        name=_optimizer_name(config),
        learning_rate=_learning_rate(config, start),
        text_encoder_learning_rate=config.get("text_encoder_lr") if trains_encoder else Setting(),
        weight_decay=config.get("adam_weight_decay"),
        scheduler=config.get("lr_scheduler"),
        warmup_steps=_warmup(config, script),
        gradient_clip=config.get("max_grad_norm"),
        ema=config.get("use_ema"),
    )


def _optimizer_name(config: Config) -> Setting[str]:
    """AdamW or Prodigy; any other name means AdamW, after a warning in the log."""
    given = config.get("optimizer")
    prodigy = str(given.value).lower() == "prodigy"
    name = "prodigy" if prodigy else "AdamW8bit" if config.get("use_8bit_adam").value else "AdamW"
    if (config.open or config.has("optimizer")) and not given.written:
        return given  # not to be read here
    return given._replace(value=name, origin="written" if given.written else "default")


def _learning_rate(config: Config, start: Launcher) -> Setting[float]:
    """`--scale_lr` multiplies it by accumulation, batch and devices."""
    rate = config.get("learning_rate")
    if not config.get("scale_lr").value:
        return rate
    given = (config.get("gradient_accumulation_steps").value, config.get("train_batch_size").value)
    factors = [factor for factor in (*given, start.processes.value or 1) if isinstance(factor, int)]
    if len(factors) < 3:
        return rate._replace(value=None, origin="unknown")
    return rate.map(lambda value: value * prod(factors) if isinstance(value, float) else None)


def _warmup(config: Config, script: Script) -> Setting[float]:
    """In updates; the plain constant schedule has none whatever is given."""
    given = config.get("lr_warmup_steps")
    if str(config.get("lr_scheduler").value) == "constant":
        return given._replace(value=0, origin="default")
    if not script.warmup_times_accumulation:
        return given
    accumulation = config.get("gradient_accumulation_steps").value
    return given.map(lambda steps: steps * accumulation if isinstance(accumulation, int) else None)


def _precision(config: Config, script: Script, compute: Setting[str], reader: Reader) -> Precision:
    quantised = config.has("bnb_quantization_config_path")
    base = config.get("bnb_quantization_config_path").map(lambda path: _quantised(path, config, reader))
    vae, upcast = script.vae, config.get("upcast_before_saving").value
    if config.table.name == "train_text_to_image_lora_sdxl.py" and not config.has("pretrained_vae_model_name_or_path"):
        vae = "fp32"  # only a VAE given by the user runs in the run's precision
    return Precision(
        compute=compute,
        base=base if quantised else compute,
        text_encoder=_of_script(config, "mixed_precision", script.text_encoder) if script.text_encoder else compute,
        vae=_of_script(config, "mixed_precision", vae) if vae else config.get("vae_precision", compute.value),
        save=_of_script(config, "upcast_before_saving", "fp32") if upcast else compute,
        gradient_checkpointing=config.get("gradient_checkpointing"),
    )


def _quantised(path: object, config: Config, reader: Reader) -> str | None:
    """The bitsandbytes config that the script loads: 8 bit, or 4 bit of one of two kinds."""
    found = reader.document(path, config.document)
    data = found.data if found is not None and isinstance(found.data, dict) else {}
    if data.get("load_in_4bit"):
        return "nf4" if data.get("bnb_4bit_quant_type") == "nf4" else "int4"
    return "int8" if data.get("load_in_8bit") else None


def _timesteps(config: Config, script: Script) -> Timesteps:
    """Flow scripts draw uniformly unless `--weighting_scheme` is `logit_normal` or `mode`; the others only weigh."""
    flow = script.family in FLOW
    scheme = config.get("weighting_scheme")
    sampling = {"logit_normal": "logit_normal", "mode": "mode"}.get(str(scheme.value), "uniform")
    return Timesteps(
        sampling=scheme._replace(value=None if flow and scheme.value is None else sampling),
        weighting=scheme.map(lambda name: str(name) if name in ("sigma_sqrt", "cosmap") else None),
        prediction=_of_script(config, "prediction_type", "flow") if flow else config.get("prediction_type"),
        min_snr_gamma=config.get("snr_gamma"),
        noise_offset=config.get("noise_offset"),
        guidance=config.get("guidance_scale"),
    )


def _validation(config: Config) -> Validation:
    """Images are drawn with the pipeline's own steps, guidance and size."""
    return Validation(
        prompts=config.get("validation_prompt").map(lambda text: [str(text)]),
        every_steps=config.get("validation_steps"),
        every_epochs=config.get("validation_epochs"),
        seed=config.get("seed"),
        walk_seed=Setting(False, "default", "--seed", config.anchor),
    )


def _saving(config: Config) -> Saving:
    return Saving(
        folder=config.get("output_dir"),
        every_steps=config.get("checkpointing_steps"),
        keep=config.get("checkpoints_total_limit"),
        resumable=_of_script(config, "checkpointing_steps", True),
        resume=config.get("resume_from_checkpoint"),
    )


def _trigger(config: Config) -> Setting[str]:
    """Only pivotal tuning names its token; in an instance prompt nothing says which word is the trigger."""
    if not config.get("train_text_encoder_ti").value:
        return Setting()
    return config.get("token_abstraction").map(lambda text: None if "," in str(text) else str(text))


def _datasets(config: Config, script: Script, reader: Reader) -> tuple[Dataset, ...]:
    """The one set of images: a folder, or a dataset of the hub, which may be a local folder too."""
    hub = config.get("dataset_name")
    own = config.get("train_data_dir" if script.data in ("captions", "edits") else "instance_data_dir")
    folder = hub if config.has("dataset_name") and not own.written else own
    plain = folder is own and script.data in ("dreambooth", "pairs")
    local = folder is own or (isinstance(hub.value, str) and reader.find(hub.value, config.document) is not None)
    from_column = not plain and config.has("caption_column")  # with a plain folder the flag is never looked at
    source = "column" if from_column or script.data in ("captions", "edits") else "prompt"
    return (
        Dataset(
            config,
            "",
            folder=folder if local else folder._replace(value=None, origin="unknown"),
            repeats=config.get("repeats", 1),
            resolution=config.get("resolution").map(lambda edge: [edge] if isinstance(edge, int) else None),
            buckets=config.get("use_aspect_ratio_buckets", False),
            batch_size=config.get("train_batch_size"),
            caption_source=_of_script(config, "caption_column", None if config.open else source),
            prompt=config.get("instance_prompt") if source == "prompt" else Setting(),
            caption_dropout=config.get("caption_dropout"),
            listing=reader.listing(folder, config.document, IMAGES, recursive=not plain) if local else None,
        ),
    )
