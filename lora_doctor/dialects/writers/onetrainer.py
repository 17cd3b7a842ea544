"""OneTrainer: the config, its concepts and its samples. Source: Nerogar/OneTrainer@23df3832 modules/util/config/."""

from __future__ import annotations

import re

from lora_doctor import derived
from lora_doctor.dialects.writers import known, targets, words
from lora_doctor.dialects.writers.draft import Draft, Section, Sheet
from lora_doctor.models.families import model_id
from lora_doctor.plan import Dataset

FAMILIES = ("flux2-klein", "flux2-dev", "flux1", "sana", "sdxl")
TYPES = {
    "flux2-klein": "FLUX_2",
    "flux2-dev": "FLUX_2",
    "flux1": "FLUX_DEV_1",
    "sana": "SANA",
    "sdxl": "STABLE_DIFFUSION_XL_10_BASE",
}
OPTIMIZERS = {
    "adamw": "ADAMW",
    "adamw8bit": "ADAMW_8BIT",
    "lion": "LION",
    "lion8bit": "LION_8BIT",
    "prodigy": "PRODIGY",
    "adafactor": "ADAFACTOR",
    "adamw-schedulefree": "SCHEDULE_FREE_ADAMW",
}
SCHEDULERS = {
    "constant": "CONSTANT",
    "linear": "LINEAR",
    "cosine": "COSINE",
    "cosine_with_restarts": "COSINE_WITH_RESTARTS",
}
DTYPES = {"bf16": "BFLOAT_16", "fp16": "FLOAT_16", "fp32": "FLOAT_32"}
STORED = {**DTYPES, "fp8": "FLOAT_8", "int8": "INT_8", "nf4": "NFLOAT_4", "int4": "NFLOAT_4"}
SOURCES = {"files": "sample", "prompt": "concept", "filename": "filename"}
SAMPLING = {
    "logit_normal": "LOGIT_NORMAL",
    "uniform": "UNIFORM",
    "flux_shift": "LOGIT_NORMAL",
    "uniform_shift": "UNIFORM",
}
KINDS = {"lora": "LORA", "dora": "LORA", "loha": "LOHA", "locon": "LORA"}
VERSION = 11
SANA_SHIFT = 3.0  # `flow_shift` of the scheduler in SANA's own repositories


def write(draft: Draft) -> None:
    """The run, its folders, its previews."""
    plan, sheet = draft.plan, draft.sheet(f"{draft.name}.json", "json")
    part = "unet" if plan.model.family == "sdxl" else "transformer"
    sheet.put("__version", VERSION)
    sheet.put("training_method", "LORA")
    sheet.put("model_type", TYPES.get(plan.model.family or "", "FLUX_2"), "model")
    sheet.put(
        "base_model_name",
        known.either(draft) if plan.model.family in ("sdxl", "flux1") else known.repository(draft),
        "model_file",
    )
    workspace = plan.saving.folder.value or f"workspace/{draft.name}"
    sheet.put("workspace_dir", workspace, "saving.folder")
    sheet.put("cache_dir", f"{workspace}/cache")
    sheet.put("output_model_destination", f"{workspace}/{draft.name}.safetensors")
    sheet.put("output_model_format", "KOHYA_LORA" if plan.model.family == "sdxl" else "DIFFUSERS_LORA")
    _network(draft, sheet)
    _optimizer(draft, sheet)
    _length(draft, sheet)
    _precision(draft, sheet, part)
    _noise(draft, sheet)
    _saving(draft, sheet)
    _data(draft, sheet)
    _samples(draft, sheet)
    if plan.seed.value is not None:
        draft.cannot("seed", "belongs to each concept here: the order of images can't be repeated otherwise")


def _network(draft: Draft, sheet: Sheet) -> None:
    network, plan = draft.plan.network, draft.plan
    sheet.put("peft_type", words.word(draft, "network.kind", network.kind.value, KINDS, "LORA"), "network.kind")
    sheet.put("lora_decompose", network.kind.value == "dora")
    sheet.put("lora_rank", network.rank.value, "network.rank")
    sheet.put("lora_alpha", _float(network.alpha.value), "network.alpha")
    sheet.put("lora_weight_dtype", DTYPES.get(network.dtype.value or "fp32", "FLOAT_32"), "network.dtype")
    sheet.put("dropout_probability", _float(network.dropout.value), "network.dropout")
    sheet.put("lora_model_name", network.weights.value, "network.weights")
    parts = _layer_filter(draft)
    anchored = [rf"(^|\.){re.escape(part)}$" for part in parts or ()]
    sheet.put("layer_filter", ",".join(anchored), "network.targets")
    sheet.put("layer_filter_preset", "custom" if parts else "full")
    sheet.put("layer_filter_regex", bool(parts))
    trains = bool(plan.train_text_encoder.value)
    for name in ("text_encoder", "text_encoder_2") if plan.model.family in ("sdxl", "flux1") else ("text_encoder",):
        sheet.put(f"{name}.train", trains, "train_text_encoder")
        rate = plan.optimizer.text_encoder_learning_rate.value
        sheet.put(f"{name}.learning_rate", _float(rate) if trains else None, "optimizer.text_encoder_learning_rate")
        stored = STORED.get(plan.precision.text_encoder.value or "bf16", "BFLOAT_16")
        sheet.put(f"{name}.weight_dtype", stored, "precision.text_encoder")
    dropout = max((data.caption_dropout.value or 0.0 for data in plan.datasets), default=0.0)
    sheet.put("text_encoder.dropout_probability", dropout, "datasets.0.caption_dropout")


def _layer_filter(draft: Draft) -> list[str] | None:
    """Endings of the names that are reached; nothing where all layers are."""
    plan = draft.plan
    names = targets.wanted(plan, "diffusers")
    every = {module.name for module in targets.layers(plan, "diffusers")}
    known_model = model_id(plan.model.family, plan.model.size, plan.model.variant)
    if not names or known_model is None or names == every:
        return None
    return targets.endings(names, every)


def _float(value: float | int | None) -> float | None:
    return None if value is None else float(value)


def _optimizer(draft: Draft, sheet: Sheet) -> None:
    optimizer, plan = draft.plan.optimizer, draft.plan
    name = words.word(draft, "optimizer.name", optimizer.name.value, OPTIMIZERS, "ADAMW")
    sheet.put("optimizer.optimizer", name, "optimizer.name")
    sheet.put("optimizer.weight_decay", _float(optimizer.weight_decay.value), "optimizer.weight_decay")
    sheet.put("optimizer.stochastic_rounding", False)
    sheet.put("learning_rate", _float(optimizer.learning_rate.value), "optimizer.learning_rate")
    shape = words.word(draft, "optimizer.scheduler", optimizer.scheduler.value, SCHEDULERS, "CONSTANT")
    sheet.put("learning_rate_scheduler", shape, "optimizer.scheduler")
    warmup = (optimizer.warmup_steps.value or 0) * (plan.accumulation.value or 1)
    if 0 < warmup <= 1:
        draft.cannot("optimizer.warmup_steps", "of one batch would be taken for the whole run's share: none is written")
        warmup = 0
    sheet.put("learning_rate_warmup_steps", float(warmup), "optimizer.warmup_steps")
    sheet.put("clip_grad_norm", _float(optimizer.gradient_clip.value), "optimizer.gradient_clip")
    sheet.put("ema", "GPU" if optimizer.ema.value else "OFF", "optimizer.ema")


def _length(draft: Draft, sheet: Sheet) -> None:
    plan = draft.plan
    epochs = words.epochs_for(draft)
    if epochs is None:
        draft.cannot(
            "steps",
            "does not exist, and the images are not here to count epochs: set `epochs` to steps x "
            "effective batch / (images x repeats)",
        )
    elif plan.steps.value:
        draft.cannot("steps", "does not exist: whole epochs that show every image as often")
    sheet.put("epochs", epochs, "epochs" if plan.steps.value is None else "steps")
    sheet.put("batch_size", plan.batch_size.value, "batch_size")
    sheet.put("gradient_accumulation_steps", plan.accumulation.value, "accumulation")
    if plan.processes.value not in (None, 1):
        sheet.put("multi_gpu", True, "processes")
        sheet.put("device_indexes", ",".join(map(str, range(int(plan.processes.value or 1)))), "processes")


def _precision(draft: Draft, sheet: Sheet, part: str) -> None:
    precision, plan = draft.plan.precision, draft.plan
    compute = words.word(draft, "precision.compute", precision.compute.value or "bf16", DTYPES, "BFLOAT_16")
    sheet.put("train_dtype", compute, "precision.compute")
    sheet.put(
        "output_dtype",
        words.word(draft, "precision.save", precision.save.value or "bf16", DTYPES, "BFLOAT_16"),
        "precision.save",
    )
    sheet.put(f"{part}.train", True)
    base = words.word(draft, "precision.base", precision.base.value or "bf16", STORED, "BFLOAT_16")
    sheet.put(f"{part}.weight_dtype", base, "precision.base")
    checkpointing = precision.gradient_checkpointing.value
    sheet.put(f"{part}.gradient_checkpointing", checkpointing, "precision.gradient_checkpointing")
    vae = "FLOAT_32" if plan.model.family == "sdxl" else DTYPES.get(precision.vae.value or "bf16", "BFLOAT_16")
    sheet.put("vae.weight_dtype", vae, "precision.vae")
    if precision.blocks_to_swap.value:
        draft.cannot("precision.blocks_to_swap", f"is a share here: set `{part}.layer_offload_fraction`")
    if plan.vae.setting.written:
        draft.cannot("vae_file", "is part of the base model here")
    if plan.text_encoder.setting.written:
        draft.cannot("text_encoder_file", "is part of the base model here")


def _noise(draft: Draft, sheet: Sheet) -> None:
    times, sdxl = draft.plan.timesteps, draft.plan.model.family == "sdxl"
    if sdxl:
        sheet.put("timestep_distribution", "UNIFORM")
        sheet.put("force_v_prediction", times.prediction.value == "v", "timesteps.prediction")
        sheet.put("force_epsilon_prediction", times.prediction.value == "epsilon", "timesteps.prediction")
        sheet.put(
            "rescale_noise_scheduler_to_zero_terminal_snr", times.zero_terminal_snr.value, "timesteps.zero_terminal_snr"
        )
        gamma = times.min_snr_gamma.value
        sheet.put("loss_weight_fn", "MIN_SNR_GAMMA" if gamma else "CONSTANT", "timesteps.min_snr_gamma")
        sheet.put("loss_weight_strength", _float(gamma), "timesteps.min_snr_gamma")
        sheet.put("offset_noise_weight", _float(times.noise_offset.value), "timesteps.noise_offset")
        return
    sana = draft.plan.model.family == "sana"  # it has no shift that follows the resolution
    sampling = times.sampling.value or ("logit_normal" if sana else "flux_shift")
    if sana and sampling in ("flux_shift", "uniform_shift"):
        draft.cannot(
            "timesteps.sampling", f"can't follow the resolution with SANA: its own shift {SANA_SHIFT:g} instead"
        )
        sampling = "logit_normal" if sampling == "flux_shift" else "uniform"
    chosen = words.word(draft, "timesteps.sampling", sampling, SAMPLING, "LOGIT_NORMAL")
    sheet.put("timestep_distribution", chosen, "timesteps.sampling")
    sheet.put("dynamic_timestep_shifting", sampling in ("flux_shift", "uniform_shift"), "timesteps.sampling")
    shift = SANA_SHIFT if sana and times.shift.value is None else times.shift.value
    sheet.put("timestep_shift", _float(shift), "timesteps.shift")
    sheet.put("transformer.guidance_scale", _float(times.guidance.value), "timesteps.guidance")


def _saving(draft: Draft, sheet: Sheet) -> None:
    """Saves count batches, not optimiser steps."""
    saving, accumulation = draft.plan.saving, draft.plan.accumulation.value or 1
    by_epoch = saving.every_epochs.value and not saving.every_steps.value
    every = saving.every_steps.value or words.default_checkpoint_steps(draft)
    sheet.put("save_every", saving.every_epochs.value if by_epoch else every * accumulation, "saving.every_steps")
    sheet.put("save_every_unit", "EPOCH" if by_epoch else "STEP", "saving.every_steps")
    sheet.put("backup_after", 30.0)
    sheet.put("backup_after_unit", "MINUTE")
    if saving.keep.value:
        draft.cannot("saving.keep", "can't be set: every checkpoint stays on disk")


def _data(draft: Draft, sheet: Sheet) -> None:
    """One size for the run; a folder that needs another overrides it."""
    plan, concepts = draft.plan, f"{draft.name}-concepts.json"
    first = plan.datasets[0] if plan.datasets else None
    edges = first.resolution.value if first and first.resolution.value else [1024]
    sheet.put("resolution", ",".join(map(str, edges)), "datasets.0.resolution")
    sheet.put("aspect_ratio_bucketing", first is None or first.buckets.value is not False, "datasets.0.buckets")
    sheet.put("latent_caching", plan.cache_latents.value is not False, "cache_latents")
    sheet.put("masked_training", any(bool(data.masks.value) for data in plan.datasets), "datasets.0.masks")
    sheet.put("concept_file_name", draft.reference(concepts))
    listed = draft.sheet(concepts, "json")
    for index, data in enumerate(plan.datasets):
        _concept(draft, listed.under(str(index)), index, data, edges)
    for field in ("trigger",):
        if plan.trigger.value:
            draft.cannot(field, "is not put into captions: write it into them")


def _concept(draft: Draft, entry: Section, index: int, data: Dataset, edges: list[int]) -> None:
    at = f"datasets.{index}"
    entry.put("__version", 2)
    entry.put("name", str(data.folder.value or index).replace("\\", "/").rstrip("/").rpartition("/")[2] or str(index))
    entry.put("path", data.folder.value, f"{at}.folder")
    entry.put("enabled", True)
    entry.put("type", "PRIOR_PREDICTION" if data.regularisation.value else "STANDARD", f"{at}.regularisation")
    listing = data.listing
    entry.put("include_subdirectories", listing is not None and any("/" in name for name in listing.images))
    entry.put("balancing", _float(data.repeats.value), f"{at}.repeats")
    entry.put("balancing_strategy", "REPEATS")
    own = data.resolution.value or edges
    if own != edges:
        entry.put("image.enable_resolution_override", True, f"{at}.resolution")
        entry.put("image.resolution_override", ",".join(map(str, own)), f"{at}.resolution")
    entry.put("image.enable_crop_jitter", False)
    source = words.word(draft, f"{at}.caption_source", data.caption_source.value or "files", SOURCES, "sample")
    entry.put("text.prompt_source", source, f"{at}.caption_source")
    if source == "concept":
        path = f"{draft.name}-caption-{index}.txt"
        draft.extra(path, f"{data.prompt.value or draft.plan.trigger.value or ''}\n")
        entry.put("text.prompt_path", draft.reference(path), f"{at}.prompt")
    entry.put("text.enable_tag_shuffling", bool(data.shuffle_tags.value), f"{at}.shuffle_tags")
    entry.put("text.keep_tags_count", data.keep_tokens.value or 0, f"{at}.keep_tokens")
    if data.caption_extension.value not in (None, ".txt"):
        draft.cannot(f"{at}.caption_extension", "is always .txt: rename the files")
    if data.masks.value:
        draft.cannot(f"{at}.masks", "are files beside the images here (`name-masklabel.png`): copy them there")
    if data.control.value:
        draft.cannot(f"{at}.control", "is not read: the images are trained without their partners")


def _samples(draft: Draft, sheet: Sheet) -> None:
    validation, plan = draft.plan.validation, draft.plan
    prompts = validation.prompts.value
    name = f"{draft.name}-samples.json"
    sheet.put("sample_definition_file_name", draft.reference(name))
    if not prompts:
        sheet.put("sample_after_unit", "NEVER")
        draft.extra(name, "[]\n")
        return
    by_epoch = validation.every_epochs.value and not validation.every_steps.value
    every = words.checkpoint_steps(draft, "validation") or words.default_checkpoint_steps(draft)
    after = validation.every_epochs.value if by_epoch else every * (plan.accumulation.value or 1)
    sheet.put("sample_after", after, "validation.every_steps")
    sheet.put("sample_after_unit", "EPOCH" if by_epoch else "STEP", "validation.every_steps")
    edge, steps, guidance = known.recommended(plan)
    size = validation.size.value or [edge, edge]
    listed = draft.sheet(name, "json")
    for index, text in enumerate(prompts):
        entry = listed.under(str(index))
        entry.put("__version", 0)
        entry.put("enabled", True)
        entry.put("prompt", text, "validation.prompts")
        entry.put("negative_prompt", "")
        entry.put("width", size[0], "validation.size")
        entry.put("height", size[-1], "validation.size")
        entry.put("seed", validation.seed.value if validation.seed.value is not None else 42, "validation.seed")
        entry.put("random_seed", bool(validation.walk_seed.value))
        entry.put("diffusion_steps", steps, "validation.sampler_steps")
        entry.put("cfg_scale", guidance, "validation.guidance")
    if derived.image_count(plan) is not None and validation.held_out.value:
        draft.cannot("validation.held_out", "is a concept of its own here (type VALIDATION): move the images")
