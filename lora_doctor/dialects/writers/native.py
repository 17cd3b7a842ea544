"""lora-doctor's own TOML; its fields and their meaning: `lora_doctor/dialects/native_fields.py`."""

from __future__ import annotations

from lora_doctor.dialects.native_fields import OPTIMIZERS as KNOWN_OPTIMIZERS
from lora_doctor.dialects.native_fields import SCHEDULERS as KNOWN_SCHEDULERS
from lora_doctor.dialects.writers import known, targets, words
from lora_doctor.dialects.writers.draft import Draft, Section, Sheet
from lora_doctor.meaning import run_length
from lora_doctor.plan import Dataset

FAMILIES = ("flux2-klein", "sana", "sdxl")
NAMES = {"sana": "sana", "sdxl": "sdxl"}
OPTIMIZERS = {name: name for name in KNOWN_OPTIMIZERS}
SCHEDULERS = {name: name for name in KNOWN_SCHEDULERS}
KINDS = {"lora": "lora", "dora": "dora", "lokr": "lokr", "loha": "loha"}
DTYPES = {"bf16": "bf16", "fp16": "fp16", "fp32": "fp32"}
STORED = {**DTYPES, "fp8": "fp8", "int8": "int8", "nf4": "nf4", "int4": "nf4"}


def write(draft: Draft) -> None:
    """One file."""
    sheet, plan = draft.sheet(f"{draft.name}.toml", "toml"), draft.plan
    sheet.put("purpose", plan.purpose.value, "purpose")
    sheet.put("recipe", plan.recipe.value, "recipe")
    sheet.put("output", plan.saving.folder.value or f"runs/{draft.name}", "saving.folder")
    _model(draft, sheet.under("model"))
    _adapter(draft, sheet.under("adapter"))
    for index, data in enumerate(plan.datasets):
        _folder(draft, sheet.under(f"data.{index}"), index, data)
    _captions(draft, sheet.under("captions"))
    _training(draft, sheet)
    _optimizer(draft, sheet)
    _precision(draft, sheet)
    _timesteps(draft, sheet.under("timesteps"))
    _validation(draft, sheet)
    if plan.prompt_tokens.value is not None:
        draft.cannot("prompt_tokens", "is what the model's own pipeline says")


def _model(draft: Draft, model: Section) -> None:
    plan = draft.plan
    model.put("path", known.either(draft), "model_file")
    family = NAMES.get(plan.model.family or "") or f"flux2-klein-{(plan.model.size or '4B').lower()}"
    model.put("family", family, "model")
    model.put(
        "text_encoder",
        plan.text_encoder.setting.value if plan.text_encoder.setting.written else None,
        "text_encoder_file",
    )
    model.put("vae", plan.vae.setting.value if plan.vae.setting.written else None, "vae_file")


def _adapter(draft: Draft, adapter: Section) -> None:
    plan, network = draft.plan, draft.plan.network
    adapter.put("kind", words.word(draft, "network.kind", network.kind.value, KINDS, "lora"), "network.kind")
    adapter.put("rank", network.rank.value, "network.rank")
    adapter.put("alpha", words.alpha(plan), "network.alpha")
    adapter.put("dropout", network.dropout.value, "network.dropout")
    adapter.put("targets", _targets(draft), "network.targets")
    adapter.put("start_from", network.weights.value, "network.weights")
    adapter.put("merge", network.merged.value, "network.merged")
    adapter.put("stack_on", network.stacked.value, "network.stacked")
    adapter.put("text_encoder", plan.train_text_encoder.value or None, "train_text_encoder")
    if network.conv_rank.value:
        draft.cannot(
            "network.conv_rank", "does not exist: convolutions get the rank of the others where they are targets"
        )


def _targets(draft: Draft) -> list[str] | str | None:
    """A word where there is one."""
    names = targets.wanted(draft.plan, "diffusers")
    every = {module.name for module in targets.layers(draft.plan, "diffusers") if not module.kernel}
    return "all-linear" if names and names == every else targets.peft(draft.plan)


def _folder(draft: Draft, section: Section, index: int, data: Dataset) -> None:
    at = f"datasets.{index}"
    section.put("folder", data.folder.value, f"{at}.folder")
    source = {"files": "files", "prompt": "prompt", "filename": "filename"}
    section.put(
        "captions",
        words.word(draft, f"{at}.caption_source", data.caption_source.value, source, "files"),
        f"{at}.caption_source",
    )
    section.put("caption_extension", data.caption_extension.value, f"{at}.caption_extension")
    section.put("prompt", data.prompt.value, f"{at}.prompt")
    section.put("repeats", data.repeats.value, f"{at}.repeats")
    section.put("resolution", words.single(draft, index, data), f"{at}.resolution")
    section.put("masks", data.masks.value, f"{at}.masks")
    section.put("control", words.controls(data), f"{at}.control")
    section.put("regularisation", data.regularisation.value or None, f"{at}.regularisation")


def _captions(draft: Draft, captions: Section) -> None:
    """These hold for every folder: where the config at hand has several values, the first one's."""
    datasets = draft.plan.datasets
    first = datasets[0] if datasets else None
    captions.put("trigger", draft.plan.trigger.value or (first.trigger.value if first else None), "trigger")
    if first is None:
        return
    captions.put("dropout", first.caption_dropout.value, "datasets.0.caption_dropout")
    captions.put("shuffle_tags", first.shuffle_tags.value, "datasets.0.shuffle_tags")
    captions.put("keep_tags", first.keep_tokens.value, "datasets.0.keep_tokens")
    captions.sheet.put("buckets.aspect_ratios", first.buckets.value, "datasets.0.buckets")


def _training(draft: Draft, sheet: Sheet) -> None:
    plan, training = draft.plan, sheet.under("training")
    steps, epochs = run_length(plan)
    sheet.put("growth.resolution", plan.growth.value, "growth")
    for key in ("growth.steps", "growth.plateau") if plan.growth.value else ():
        sheet.put(key, plan.get(key).value or None, "growth")  # nobody else has them
    training.put("steps", steps, "steps")
    training.put("epochs", epochs, "epochs")
    training.put("batch_size", plan.batch_size.value, "batch_size")
    training.put("accumulation", plan.accumulation.value, "accumulation")
    training.put("seed", plan.seed.value, "seed")
    training.put("processes", plan.processes.value if plan.processes.value not in (None, 1) else None, "processes")


def _optimizer(draft: Draft, sheet: Sheet) -> None:
    optimizer = draft.plan.optimizer
    section, schedule = sheet.under("optimizer"), sheet.under("schedule")
    section.put(
        "name", words.word(draft, "optimizer.name", optimizer.name.value, OPTIMIZERS, "adamw"), "optimizer.name"
    )
    section.put("learning_rate", optimizer.learning_rate.value, "optimizer.learning_rate")
    section.put(
        "text_encoder_learning_rate", optimizer.text_encoder_learning_rate.value, "optimizer.text_encoder_learning_rate"
    )
    section.put("weight_decay", optimizer.weight_decay.value, "optimizer.weight_decay")
    clip = optimizer.gradient_clip.value
    section.put("gradient_clip", clip, "optimizer.gradient_clip")
    section.put("ema", optimizer.ema.value or None, "optimizer.ema")
    shape = words.word(draft, "optimizer.scheduler", optimizer.scheduler.value, SCHEDULERS, "constant")
    warmup = int(optimizer.warmup_steps.value or 0)
    schedule.put("name", "constant_with_warmup" if shape == "constant" and warmup else shape, "optimizer.scheduler")
    schedule.put("warmup_steps", warmup, "optimizer.warmup_steps")


def _precision(draft: Draft, sheet: Sheet) -> None:
    precision, plan = draft.plan.precision, draft.plan
    section, memory = sheet.under("precision"), sheet.under("memory")
    for key, field, value, table in (
        ("compute", "precision.compute", precision.compute.value, DTYPES),
        ("base", "precision.base", precision.base.value, STORED),
        ("text_encoder", "precision.text_encoder", precision.text_encoder.value, STORED),
        ("adapter", "network.dtype", plan.network.dtype.value, DTYPES),
        ("save", "precision.save", precision.save.value, DTYPES),
    ):
        section.put(key, words.word(draft, field, value, table, "bf16"), field)
    memory.put("gradient_checkpointing", precision.gradient_checkpointing.value, "precision.gradient_checkpointing")
    memory.put("blocks_to_swap", precision.blocks_to_swap.value or None, "precision.blocks_to_swap")
    memory.put("cache_latents", plan.cache_latents.value, "cache_latents")
    memory.put("cache_text", plan.cache_text.value, "cache_text")


def _timesteps(draft: Draft, section: Section) -> None:
    times = draft.plan.timesteps
    sampling, shift = times.sampling.value, times.shift.value
    if sampling in ("flux_shift", "uniform_shift"):
        section.put("sampling", "logit_normal" if sampling == "flux_shift" else "uniform", "timesteps.sampling")
        section.put("shift", "resolution", "timesteps.sampling")
    elif sampling is not None:
        table = {"logit_normal": "logit_normal", "uniform": "uniform"}
        section.put(
            "sampling", words.word(draft, "timesteps.sampling", sampling, table, "logit_normal"), "timesteps.sampling"
        )
        section.put("shift", shift, "timesteps.shift")
    if draft.plan.model.family == "sdxl":
        prediction = times.prediction.value
        section.put("prediction", prediction if prediction in ("epsilon", "v") else None, "timesteps.prediction")
        section.put("zero_terminal_snr", times.zero_terminal_snr.value or None, "timesteps.zero_terminal_snr")
        section.put("min_snr_gamma", times.min_snr_gamma.value, "timesteps.min_snr_gamma")
        if times.noise_offset.value:
            draft.cannot("timesteps.noise_offset", "does not exist: very dark and very bright images come out flatter")


def _validation(draft: Draft, sheet: Sheet) -> None:
    validation, section = draft.plan.validation, sheet.under("validation")
    section.put("prompts", validation.prompts.value, "validation.prompts")
    section.put("every_steps", words.checkpoint_steps(draft, "validation"), "validation.every_steps")
    held_out = validation.held_out.value
    number = held_out if isinstance(held_out, (int, float)) and not isinstance(held_out, bool) else None
    section.put(
        "held_out",
        number or 0,
        "validation.held_out",
        "" if number else "none are kept out, as before: a share of 0.1 would tell when the run is overtrained",
    )
    if held_out and number is None:
        draft.cannot(
            "validation.held_out", "is a share of the images here: move the held-out folder aside, or write 0.1"
        )
    section.put("guidance", validation.guidance.value, "validation.guidance")
    section.put("sampler_steps", validation.sampler_steps.value, "validation.sampler_steps")
    section.put("size", validation.size.value, "validation.size")
    section.put("seed", validation.seed.value, "validation.seed")
    saving = sheet.under("saving")
    every = words.checkpoint_steps(draft) or words.default_checkpoint_steps(draft)
    saving.put("every_steps", every, "saving.every_steps")
    saving.put("keep", draft.plan.saving.keep.value or 0, "saving.keep")
