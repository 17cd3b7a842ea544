"""lora-doctor's own TOML: what `lora-doctor train` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lora_doctor.dataset.listing import Listing
from lora_doctor.dialects.native_fields import native_table
from lora_doctor.dialects.native_stages import stages_of
from lora_doctor.dialects.reader import Reader
from lora_doctor.dialects.structured import structured_config
from lora_doctor.models.identify import ModelIdentity
from lora_doctor.plan import (
    UNKNOWN,
    Dataset,
    Network,
    Optimizer,
    Plan,
    Precision,
    Saving,
    Stage,
    Timesteps,
    Validation,
)
from lora_doctor.setting import Config, Setting
from lora_doctor.source.document import Document

TRAINER = "lora-doctor"
CONCEPTS = {
    "network.kind": "adapter.kind",
    "network.rank": "adapter.rank",
    "network.alpha": "adapter.alpha",
    "network.dropout": "adapter.dropout",
    "network.targets": "adapter.targets",
    "network.weights": "adapter.start_from",
    "network.dtype": "precision.adapter",
    "optimizer.name": "optimizer.name",
    "optimizer.learning_rate": "optimizer.learning_rate",
    "optimizer.text_encoder_learning_rate": "optimizer.text_encoder_learning_rate",
    "optimizer.weight_decay": "optimizer.weight_decay",
    "optimizer.scheduler": "schedule.name",
    "optimizer.warmup_steps": "schedule.warmup_steps",
    "optimizer.gradient_clip": "optimizer.gradient_clip",
    "optimizer.ema": "optimizer.ema",
    "precision.compute": "precision.compute",
    "precision.base": "precision.base",
    "precision.save": "precision.save",
    "precision.gradient_checkpointing": "memory.gradient_checkpointing",
    "precision.blocks_to_swap": "memory.blocks_to_swap",
    "timesteps.sampling": "timesteps.sampling",
    "timesteps.shift": "timesteps.shift",
    "timesteps.min_snr_gamma": "timesteps.min_snr_gamma",
    "timesteps.zero_terminal_snr": "timesteps.zero_terminal_snr",
    "timesteps.prediction": "timesteps.prediction",
    "validation.prompts": "validation.prompts",
    "validation.every_steps": "validation.every_steps",
    "validation.guidance": "validation.guidance",
    "validation.sampler_steps": "validation.sampler_steps",
    "validation.seed": "validation.seed",
    "saving.folder": "output",
    "saving.every_steps": "saving.every_steps",
    "saving.keep": "saving.keep",
    "saving.resume": "saving.resume",
    "steps": "training.steps",
    "epochs": "training.epochs",
    "batch_size": "training.batch_size",
    "accumulation": "training.accumulation",
    "seed": "training.seed",
    "processes": "training.processes",
    "trigger": "captions.trigger",
    "train_text_encoder": "adapter.text_encoder",
    "cache_latents": "memory.cache_latents",
    "cache_text": "memory.cache_text",
    "model": "model.path",
    "text_encoder": "model.text_encoder",
    "vae": "model.vae",
    "dataset.folder": "data.*.folder",
    "dataset.repeats": "data.*.repeats",
    "dataset.resolution": "buckets.resolution",
    "dataset.buckets": "buckets.aspect_ratios",
    "dataset.masks": "data.*.masks",
    "dataset.control": "data.*.control",
    "dataset.caption_source": "data.*.captions",
    "dataset.prompt": "data.*.prompt",
    "dataset.caption_extension": "data.*.caption_extension",
    "dataset.caption_dropout": "captions.dropout",
    "dataset.shuffle_tags": "captions.shuffle_tags",
    "dataset.keep_tokens": "captions.keep_tags",
}
FAMILIES = {
    "flux2-klein-4b": ("flux2-klein", "4B"),
    "flux2-klein-9b": ("flux2-klein", "9B"),
    "sana": ("sana", None),
    "sdxl": ("sdxl", None),
}

# `seed` is the attention-only list that older recipes carry over from SD and SANA. In `attention`, to_qkv_mlp_proj is
# query, key, value and the MLP's first layer of Klein's single blocks in one; their attn.to_out ends both. `blocks`
# adds the feed-forward layers. SANA's are 1 x 1 convolutions, 47 % of the weights, which `all-linear` passes over; PEFT
# trains and diffusers loads them.
_QKV = ["to_q", "to_k", "to_v"]
_ATTENTION: dict[str | None, list[str]] = {
    None: [*_QKV, "to_out.0"],
    "flux2-klein": ["add_q_proj", "add_k_proj", "add_v_proj", "to_add_out", "to_qkv_mlp_proj", "attn.to_out"],
}
_FEED_FORWARD: dict[str | None, list[str]] = {
    "flux2-klein": ["ff.linear_in", "ff.linear_out", "ff_context.linear_in", "ff_context.linear_out"],
    "sana": ["ff.conv_inverted", "ff.conv_point"],
    "sdxl": ["ff.net.0.proj", "ff.net.2"],
}
_PRESETS: dict[str, tuple[dict[str | None, list[str]], ...]] = {
    "attention": (_ATTENTION,),
    "blocks": (_ATTENTION, _FEED_FORWARD),
    "seed": ({None: _QKV},),
}


def preset(name: str, family: str | None = None) -> list[str] | None:
    """Layer names of a preset in a family, or of all families that are trained here; None for what is no preset."""
    if name not in _PRESETS:
        return None
    families = (None, family) if family in _FEED_FORWARD else (None, *_FEED_FORWARD)
    return [layer for part in _PRESETS[name] for each in families for layer in part.get(each, ())]


TABLES = (
    "captions",
    "buckets",
    "training",
    "schedule",
    "precision",
    "memory",
    "timesteps",
    "validation",
    "saving",
    "stop",
)


def recognise(document: Document) -> str | None:
    """`[model]` with `path` and one of our own tables; no other trainer's TOML looks so."""
    data = document.data
    model = data.get("model")
    ours = isinstance(model, dict) and "path" in model and "type" not in model
    folders = data.get("data")
    listed = isinstance(folders, list) and any(isinstance(item, dict) and "folder" in item for item in folders)
    tables = sum(isinstance(data.get(name), dict) for name in TABLES)
    return "training" if ours or listed or tables >= 3 else None


def read(document: Document, kind: str, reader: Reader) -> tuple[Plan, ...]:
    """One plan, or one for each stage; nothing is hidden in this format."""
    config = structured_config(document, native_table())
    return tuple(_plan(kind, each, stage, reader) for each, stage in stages_of(config))


def _plan(kind: str, config: Config, stage: Stage | None, reader: Reader) -> Plan:
    get, document = config.get, config.document
    family, size = FAMILIES.get(get("model.family").value or "", (None, None))
    declared = ModelIdentity(role="pipeline", family=family, size=size) if family else UNKNOWN
    resolution = get("buckets.resolution")
    model = reader.component(get("model.path"), document, declared)
    return Plan(
        TRAINER,
        kind,
        config,
        model=model,
        text_encoder=reader.component(get("model.text_encoder"), document),
        vae=reader.component(get("model.vae"), document),
        network=_network(config, model.family),
        optimizer=_optimizer(config),
        precision=_precision(config),
        timesteps=_timesteps(config),
        validation=_validation(config),
        saving=_saving(config),
        steps=get("training.steps"),
        epochs=get("training.epochs"),
        batch_size=get("training.batch_size"),
        accumulation=get("training.accumulation"),
        seed=get("training.seed"),
        processes=_copies(config),
        trigger=get("captions.trigger"),
        purpose=get("purpose"),
        recipe=get("recipe"),
        train_text_encoder=get("adapter.text_encoder"),
        cache_latents=get("memory.cache_latents"),
        cache_text=get("memory.cache_text"),
        datasets=tuple(_dataset(config, entry, resolution, reader) for entry in config.items("data")),
        growth=get("growth.resolution").map(lambda edges: edges or None),
        stage=stage,
    )


def _copies(config: Config) -> Setting[int]:
    """Processes that see different images: the stages of one copy of the model see the same."""
    processes, stages = config.get("training.processes"), config.get("memory.pipeline_stages").value
    if not isinstance(stages, int) or stages < 2 or not isinstance(processes.value, int):
        return processes
    return processes._replace(value=max(1, processes.value // stages))


def _network(config: Config, family: str | None) -> Network:
    rank = config.get("adapter.rank")
    alpha = config.get("adapter.alpha", rank.value)
    scale = None
    if isinstance(rank.value, int) and isinstance(alpha.value, (int, float)) and rank.value > 0:
        root = 0.5 if config.get("adapter.rslora").value is True else 1.0
        scale = alpha.value / rank.value**root
    return Network(
        kind=config.get("adapter.kind"),
        rank=rank,
        alpha=alpha,
        scale=scale,
        dropout=config.get("adapter.dropout"),
        targets=config.get("adapter.targets").map(lambda v: (isinstance(v, str) and preset(v, family)) or v),
        excluded=config.get("adapter.exclude"),
        weights=config.get("adapter.start_from"),
        merged=config.get("adapter.merge").map(_several),
        stacked=config.get("adapter.stack_on").map(_several),
        dtype=config.get("precision.adapter"),
    )


def _optimizer(config: Config) -> Optimizer:
    return Optimizer(
        name=config.get("optimizer.name"),
        learning_rate=config.get("optimizer.learning_rate"),
        text_encoder_learning_rate=config.get("optimizer.text_encoder_learning_rate"),
        weight_decay=config.get("optimizer.weight_decay"),
        scheduler=config.get("schedule.name"),
        warmup_steps=config.get("schedule.warmup_steps"),
        gradient_clip=config.get("optimizer.gradient_clip"),
        ema=config.get("optimizer.ema"),
    )


def _precision(config: Config) -> Precision:
    return Precision(
        compute=config.get("precision.compute"),
        base=config.get("precision.base"),
        text_encoder=config.get("precision.text_encoder"),
        save=config.get("precision.save"),
        gradient_checkpointing=config.get("memory.gradient_checkpointing"),
        blocks_to_swap=config.get("memory.blocks_to_swap"),
    )


def _timesteps(config: Config) -> Timesteps:
    return Timesteps(
        sampling=config.get("timesteps.sampling"),
        shift=config.get("timesteps.shift").map(lambda v: float(v) if isinstance(v, (int, float)) else None),
        prediction=config.get("timesteps.prediction"),
        zero_terminal_snr=config.get("timesteps.zero_terminal_snr"),
        min_snr_gamma=config.get("timesteps.min_snr_gamma"),
    )


def _validation(config: Config) -> Validation:
    return Validation(
        prompts=config.get("validation.prompts"),
        every_steps=config.get("validation.every_steps"),
        guidance=config.get("validation.guidance"),
        sampler_steps=config.get("validation.sampler_steps"),
        size=config.get("validation.size"),
        seed=config.get("validation.seed"),
        walk_seed=Setting(False, "default"),
        held_out=config.get("validation.held_out"),
    )


def _saving(config: Config) -> Saving:
    return Saving(
        folder=config.get("output"),
        every_steps=config.get("saving.every_steps"),
        keep=config.get("saving.keep"),
        resumable=Setting(True, "default"),
        resume=config.get("saving.resume"),
    )


def _dataset(config: Config, entry: str, resolution: Setting[Any], reader: Reader) -> Dataset:
    own = config.get(f"{entry}.resolution")
    folder, masks = config.get(f"{entry}.folder"), config.get(f"{entry}.masks")
    controls = [reader.listing(each, config.document, recursive=True) for each in _folders(config, f"{entry}.control")]
    return Dataset(
        config,
        entry,
        folder=folder,
        control=config.get(f"{entry}.control").map(lambda v: v[0] if isinstance(v, list) and v else v),
        masks=masks,
        repeats=config.get(f"{entry}.repeats"),
        resolution=(own if own.written else resolution).map(_edges),
        buckets=config.get("buckets.aspect_ratios"),
        batch_size=config.get("training.batch_size"),
        caption_source=config.get(f"{entry}.captions"),
        prompt=config.get(f"{entry}.prompt"),
        caption_extension=config.get(f"{entry}.caption_extension"),
        caption_dropout=config.get("captions.dropout"),
        shuffle_tags=config.get("captions.shuffle_tags"),
        keep_tokens=config.get("captions.keep_tags"),
        trigger=config.get("captions.trigger"),
        regularisation=config.get(f"{entry}.regularisation"),
        listing=_without(reader.listing(folder, config.document, recursive=True), controls),
        control_listings=() if None in controls else tuple(found for found in controls if found is not None),
        mask_listing=reader.listing(masks, config.document, recursive=True) if masks.written else None,
    )


def _without(listing: Listing | None, beside: list[Listing | None]) -> Listing | None:
    """The images of a folder; those of a folder of control images that lies in it are none."""
    inside = tuple(each.folder.absolute() for each in beside if each is not None)
    if listing is None or not inside:
        return listing
    images = (name for name in listing.images if not _lies_in(listing.folder / name, inside))
    return listing._replace(images=tuple(images))


def _lies_in(path: Path, folders: tuple[Path, ...]) -> bool:
    return any(path.absolute().is_relative_to(folder) for folder in folders)


def _several(value: Any) -> list[str] | None:
    """One or more paths; None where there is none."""
    return ([value] if isinstance(value, str) else value) or None


def _folders(config: Config, key: str) -> list[Setting[str]]:
    """A folder, or each of a list of them."""
    setting = config.get(key)
    values = setting.value if isinstance(setting.value, list) else [setting.value]
    return [setting._replace(value=value) for value in values if isinstance(value, str)]


def _edges(value: Any) -> list[int] | None:
    values = value if isinstance(value, list) else [value]
    return values if all(isinstance(edge, int) for edge in values) else None
