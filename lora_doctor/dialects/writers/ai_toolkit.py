"""ai-toolkit: one YAML job with one process. Source: ostris/ai-toolkit@27a03a91 toolkit/config_modules.py."""

from __future__ import annotations

from lora_doctor.dialects.writers import known, targets, words
from lora_doctor.dialects.writers.draft import Draft, Section
from lora_doctor.plan import Dataset

FAMILIES = ("flux2-klein", "flux2-dev", "flux1", "sdxl")
ARCHS = {"flux2-dev": "flux2", "flux1": "flux", "sdxl": "sdxl"}
OPTIMIZERS = {
    "adamw": "adamw",
    "adamw8bit": "adamw8bit",
    "adafactor": "adafactor",
    "prodigy": "prodigy",
    "lion8bit": "lion8bit",
}
KINDS = {"lora": "lora", "lokr": "lokr", "dora": "dora", "locon": "lora"}
SCHEDULERS = {"constant": "constant", "cosine": "cosine"}
DTYPES = {"bf16": "bf16", "fp16": "fp16", "fp32": "fp32"}
QTYPES = {"fp8": "qfloat8", "int8": "qint8", "int4": "uint4"}
SAMPLING = {"logit_normal": "sigmoid", "uniform": "linear", "uniform_shift": "flux_shift", "weighted": "weighted"}


def write(draft: Draft) -> None:
    """The job file."""
    sheet, plan = draft.sheet(f"{draft.name}.yaml", "yaml"), draft.plan
    job = sheet.under("config.process.0")
    sheet.put("job", "extension")
    sheet.put("config.name", draft.name, "saving.name")
    job.put("type", "sd_trainer")
    job.put("training_folder", plan.saving.folder.value or "output", "saving.folder")
    job.put("device", "cuda:0")
    job.put("training_seed", plan.seed.value, "seed")
    job.put("trigger_word", plan.trigger.value, "trigger")
    _network(draft, job)
    _save(draft, job)
    for index, data in enumerate(plan.datasets):
        _dataset(draft, job, index, data)
    _train(draft, job)
    _model(draft, job)
    _sample(draft, job)
    if plan.processes.value not in (None, 1):
        draft.cannot("processes", "would train the same images in the same order on every card here: one is used")
    if plan.prompt_tokens.value is not None:
        draft.cannot("prompt_tokens", "is what the model's own loader says here")


def _network(draft: Draft, job: Section) -> None:
    network = draft.plan.network
    kind = words.word(draft, "network.kind", network.kind.value, KINDS, "lora")
    job.put("network.type", kind, "network.kind")
    job.put("network.linear", network.rank.value, "network.rank")
    alpha = words.alpha(draft.plan) if draft.plan.model.family == "sdxl" else network.rank.value
    job.put("network.linear_alpha", alpha, "network.alpha")
    job.put("network.conv", network.conv_rank.value, "network.conv_rank")
    job.put("network.conv_alpha", network.conv_alpha.value, "network.conv_alpha")
    job.put("network.dropout", network.dropout.value or None, "network.dropout")
    job.put("network.pretrained_lora_path", network.weights.value, "network.weights")
    naming = "native" if str(draft.plan.model.family).startswith("flux2") else "diffusers"
    only = targets.contained(draft.plan, naming)
    if only:
        job.put("network.network_kwargs.only_if_contains", only, "network.targets")


def _save(draft: Draft, job: Section) -> None:
    saving = draft.plan.saving
    every = words.checkpoint_steps(draft) or words.default_checkpoint_steps(draft)
    dtype = words.word(draft, "precision.save", draft.plan.precision.save.value or "bf16", DTYPES, "bf16")
    job.put("save.dtype", dtype, "precision.save")
    job.put("save.save_every", every, "saving.every_steps")
    keep = saving.keep.value or words.ALL
    job.put("save.max_step_saves_to_keep", keep, "saving.keep", "" if saving.keep.value else "all: the default keeps 5")


def _dataset(draft: Draft, job: Section, index: int, data: Dataset) -> None:
    entry = Section(job.sheet, f"{job.prefix}.datasets.{index}")
    at = f"datasets.{index}"
    entry.put("folder_path", data.folder.value, f"{at}.folder")
    entry.put("control_path", words.controls(data), f"{at}.control")
    entry.put("mask_path", data.masks.value, f"{at}.masks")
    entry.put("caption_ext", words.extension_without_dot(data) or "txt", f"{at}.caption_extension")
    if data.caption_source.value == "prompt":
        entry.put("default_caption", data.prompt.value, f"{at}.prompt")
    entry.put("caption_dropout_rate", data.caption_dropout.value, f"{at}.caption_dropout")
    entry.put("shuffle_tokens", data.shuffle_tags.value or None, f"{at}.shuffle_tags")
    entry.put("cache_latents_to_disk", draft.plan.cache_latents.value is not False, "cache_latents")
    if data.trigger.value != draft.plan.trigger.value:
        entry.put("trigger_word", data.trigger.value, f"{at}.trigger")
    repeats = words.whole(draft, f"{at}.repeats", data.repeats.value)
    entry.put("num_repeats", repeats if repeats != 1 else None, f"{at}.repeats")
    entry.put("is_reg", data.regularisation.value or None, f"{at}.regularisation")
    entry.put("buckets", False if data.buckets.value is False else None, f"{at}.buckets")
    entry.put("resolution", [words.single(draft, index, data) or 1024], f"{at}.resolution")
    if data.keep_tokens.value:
        draft.cannot(f"{at}.keep_tokens", "holds tags against dropout only here: the first ones are shuffled too")


def _train(draft: Draft, job: Section) -> None:
    plan, train = draft.plan, Section(job.sheet, f"{job.prefix}.train")
    train.put("batch_size", plan.batch_size.value, "batch_size")
    train.put("steps", words.steps_for(draft, "train.steps"), "steps")
    train.put("gradient_accumulation", plan.accumulation.value, "accumulation")
    train.put("train_unet", True)
    train.put("train_text_encoder", plan.train_text_encoder.value, "train_text_encoder")
    train.put("gradient_checkpointing", plan.precision.gradient_checkpointing.value, "precision.gradient_checkpointing")
    flow = known.is_flow(plan)
    train.put("noise_scheduler", "flowmatch" if flow else "ddpm", why="what the model was trained with")
    _optimizer(draft, train)
    if flow:
        usual = "weighted" if plan.model.family == "flux2-klein" else "logit_normal"
        sampling = plan.timesteps.sampling.value or usual
        why = "" if plan.timesteps.sampling.value else "what ai-toolkit's window sets for this model"
        if plan.timesteps.shift.value not in (None, 1.0):
            draft.cannot("timesteps.shift", "can't be set: noise is drawn without a shift")
        chosen = words.word(draft, "timesteps.sampling", sampling, SAMPLING, "sigmoid", "without its shift")
        train.put("timestep_type", chosen, "timesteps.sampling", why)
    else:
        train.put("min_snr_gamma", plan.timesteps.min_snr_gamma.value, "timesteps.min_snr_gamma")
        train.put("noise_offset", plan.timesteps.noise_offset.value, "timesteps.noise_offset")
    compute = words.word(draft, "precision.compute", plan.precision.compute.value or "bf16", DTYPES, "bf16")
    train.put("dtype", compute, "precision.compute")
    train.put("cache_text_embeddings", _caches_text(draft), "cache_text")
    train.put("cfg_scale", plan.timesteps.guidance.value, "timesteps.guidance")


def _caches_text(draft: Draft) -> bool | None:
    """Cached texts never change: nothing may shuffle them."""
    plan = draft.plan
    changing = any(data.shuffle_tags.value for data in plan.datasets)
    if plan.cache_text.value and (changing or plan.train_text_encoder.value):
        draft.cannot("cache_text", "would freeze the captions here, so they are encoded at every step: slower, no more")
        return False
    return plan.cache_text.value


def _optimizer(draft: Draft, train: Section) -> None:
    optimizer, sdxl = draft.plan.optimizer, draft.plan.model.family == "sdxl"
    name = words.word(draft, "optimizer.name", optimizer.name.value, OPTIMIZERS, "adamw")
    rate = optimizer.learning_rate.value if sdxl else words.rate_at_full_scale(draft, "ai-toolkit")
    train.put("optimizer", name, "optimizer.name")
    train.put("lr", rate, "optimizer.learning_rate")
    if optimizer.text_encoder_learning_rate.value not in (None, rate):
        draft.cannot("optimizer.text_encoder_learning_rate", "is the same as the denoiser's here")
    decay = optimizer.weight_decay.value if sdxl else words.decay_at_full_scale(draft)
    train.put("optimizer_params.weight_decay", decay, "optimizer.weight_decay")
    if optimizer.name.value == "prodigy" and (rate or 0) < 0.1:
        draft.cannot("optimizer.learning_rate", "below 0.1 is taken for 1 with Prodigy")
    if optimizer.name.value == "adafactor":
        draft.cannot("optimizer.gradient_clip", "is not read with Adafactor, which clips its own updates")
    shape = words.word(
        draft,
        "optimizer.scheduler",
        optimizer.scheduler.value,
        SCHEDULERS,
        "cosine" if optimizer.scheduler.value == "linear" else "constant",
    )
    warmup = optimizer.warmup_steps.value
    if warmup and shape == "constant":
        shape = "constant_with_warmup"
        train.put("lr_scheduler_params.num_warmup_steps", int(warmup), "optimizer.warmup_steps")
    elif warmup:
        draft.cannot(
            "optimizer.warmup_steps", f"goes with a constant rate only here: `{shape}` starts at the full rate"
        )
    train.put("lr_scheduler", shape, "optimizer.scheduler")
    train.put("max_grad_norm", optimizer.gradient_clip.value, "optimizer.gradient_clip")
    train.put("ema_config.use_ema", optimizer.ema.value, "optimizer.ema")


def _model(draft: Draft, job: Section) -> None:
    plan, model = draft.plan, Section(job.sheet, f"{job.prefix}.model")
    arch = ARCHS.get(plan.model.family or "") or f"flux2_klein_{(plan.model.size or '4B').lower()}"
    model.put("arch", arch, "model")
    model.put("name_or_path", known.either(draft), "model_file")
    vae = plan.precision.vae.value
    model.put("vae_dtype", vae if vae in DTYPES and vae != plan.precision.compute.value else None, "precision.vae")
    model.put("vae_path", plan.vae.setting.value if known.is_file(plan.vae.setting.value) else None, "vae")
    base, encoder = plan.precision.base.value, plan.precision.text_encoder.value
    quantized = base in QTYPES
    model.put("quantize", quantized, "precision.base")
    model.put("qtype", QTYPES.get(base or ""), "precision.base")
    model.put("quantize_te", encoder in QTYPES, "precision.text_encoder")
    model.put("qtype_te", QTYPES.get(encoder or ""), "precision.text_encoder")
    if plan.text_encoder.setting.written:
        draft.cannot("text_encoder_file", "is chosen by `model.arch` here: the published one is loaded")
    if plan.precision.blocks_to_swap.value:
        draft.cannot("precision.blocks_to_swap", "can't be set: `model.low_vram: true` saves memory in another way")


def _sample(draft: Draft, job: Section) -> None:
    plan, sample = draft.plan, Section(job.sheet, f"{job.prefix}.sample")
    prompts = plan.validation.prompts.value
    if not prompts:
        job.put("train.disable_sampling", True, why="no prompts are given")
        return
    edge, steps, guidance = known.recommended(plan)
    size = plan.validation.size.value or [edge, edge]
    sample.put("sampler", "flowmatch" if known.is_flow(plan) else "ddpm")
    every = words.checkpoint_steps(draft, "validation") or words.default_checkpoint_steps(draft)
    sample.put("sample_every", every, "validation.every_steps")
    sample.put("width", size[0], "validation.size")
    sample.put("height", size[-1], "validation.size")
    sample.put("seed", plan.validation.seed.value if plan.validation.seed.value is not None else 42, "validation.seed")
    sample.put("walk_seed", bool(plan.validation.walk_seed.value), "validation.walk_seed")
    sample.put("guidance_scale", guidance, "validation.guidance")
    sample.put("sample_steps", steps, "validation.sampler_steps")
    for index, text in enumerate(prompts):
        sample.put(f"samples.{index}.prompt", text, "validation.prompts" if not index else "")
