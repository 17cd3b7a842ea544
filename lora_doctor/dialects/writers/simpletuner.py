"""SimpleTuner: config.json, its data backends, and a prompt library. Source: bghira/SimpleTuner@bc8e6ab."""

from __future__ import annotations

import json
import re

from lora_doctor.dialects.simpletuner_model import flavours
from lora_doctor.dialects.simpletuner_optimizer import NO_SCHEDULE
from lora_doctor.dialects.writers import known, targets, words
from lora_doctor.dialects.writers.draft import Draft, Section, Sheet
from lora_doctor.meaning import run_length
from lora_doctor.plan import Dataset

FAMILIES = ("flux2-klein", "flux2-dev", "flux1", "sana", "sdxl")
NAMES = {"flux2-klein": "flux2", "flux2-dev": "flux2", "flux1": "flux", "sana": "sana", "sdxl": "sdxl"}
OPTIMIZERS = {
    "adamw": "torch-adamw",
    "adamw8bit": "bnb-adamw8bit",
    "adamw-kahan": "adamw_bf16",
    "lion": "optimi-lion",
    "lion8bit": "bnb-lion8bit",
    "prodigy": "prodigy",
    "adafactor": "torch-adafactor",
    "adamw-schedulefree": "adamw_schedulefree",
}
DECAYS = {"lion": 0.0, "lion8bit": 0.0, "prodigy": 0.0, "adafactor": 0.0}
SCHEDULERS = {"constant": "constant", "linear": "linear", "polynomial": "polynomial"}
BASES = {
    "bf16": "no_change",
    "fp16": "no_change",
    "fp32": "no_change",
    "int8": "int8-quanto",
    "fp8": "fp8-torchao",
    "int4": "int4-quanto",
    "nf4": "nf4-bnb",
}
SOURCES = {"files": "textfile", "prompt": "instanceprompt", "filename": "filename"}
_ID = re.compile(r"[^A-Za-z0-9]+")


def write(draft: Draft) -> None:
    """The run, its folders, and the prompts of its previews."""
    plan, run = draft.plan, draft.sheet("config.json", "json")
    _model(draft, run)
    _adapter(draft, run)
    run.put("output_dir", plan.saving.folder.value or f"output/{draft.name}", "saving.folder")
    run.put("data_backend_config", draft.reference("multidatabackend.json"))
    _optimizer(draft, run)
    _length(draft, run)
    _precision(draft, run)
    _timesteps(draft, run)
    _validation(draft, run)
    _saving(draft, run)
    run.put("report_to", "tensorboard")
    _backends(draft, draft.sheet("multidatabackend.json", "json"))


def _model(draft: Draft, run: Sheet) -> None:
    plan, family = draft.plan, NAMES.get(draft.plan.model.family or "", "flux2")
    run.put("model_type", "lora")
    run.put("model_family", family, "model")
    path = known.repository(draft)
    flavour = next((name for name, repository in flavours(family).items() if _same(repository, path)), None)
    run.put("model_flavour", flavour, "model")
    if flavour is None:
        run.put("pretrained_model_name_or_path", path, "model_file")
    if known.is_repository(plan.vae.setting.value) and family == "sdxl":
        run.put("pretrained_vae_model_name_or_path", plan.vae.setting.value, "vae_file")
    elif plan.vae.setting.written:
        draft.cannot("vae_file", "is part of the model's repository here")
    if plan.text_encoder.setting.written:
        draft.cannot("text_encoder_file", "is part of the model's repository here")


def _same(repository: object, path: str | None) -> bool:
    return path is not None and str(repository).lower() == path.lower()


def _adapter(draft: Draft, run: Sheet) -> None:
    network = draft.plan.network
    kinds = {"lora": "standard", "dora": "standard"}
    run.put("lora_type", words.word(draft, "network.kind", network.kind.value, kinds, "standard"), "network.kind")
    run.put("use_dora", True if network.kind.value == "dora" else None, "network.kind")
    run.put("lora_rank", network.rank.value, "network.rank")
    run.put("lora_alpha", words.alpha(draft.plan), "network.alpha")
    run.put("lora_dropout", network.dropout.value, "network.dropout")
    chosen = targets.peft(draft.plan)
    run.put("peft_lora_target_modules", chosen, "network.targets")
    run.put("init_lora", network.weights.value, "network.weights")
    if draft.plan.train_text_encoder.value:
        draft.cannot(
            "train_text_encoder", "adds no adapter to a text encoder in SimpleTuner 4.8: only the denoiser learns"
        )


def _optimizer(draft: Draft, run: Sheet) -> None:
    optimizer = draft.plan.optimizer
    meant = optimizer.name.value
    name = words.word(draft, "optimizer.name", meant, OPTIMIZERS, "torch-adamw")
    run.put("optimizer", name, "optimizer.name")
    decay = optimizer.weight_decay.value
    if decay is not None and decay != DECAYS.get(str(meant), 0.01):
        run.put("optimizer_config", f"weight_decay={decay:g}", "optimizer.weight_decay")
    run.put("learning_rate", optimizer.learning_rate.value, "optimizer.learning_rate")
    if optimizer.scheduler.value in ("cosine", "cosine_with_restarts"):
        draft.cannot(
            "optimizer.scheduler",
            "rises again, or stops the run, in SimpleTuner 4.8: `polynomial` falls evenly to 0 instead",
        )
    shape = words.word(
        draft,
        "optimizer.scheduler",
        optimizer.scheduler.value,
        SCHEDULERS,
        "constant" if optimizer.scheduler.value is None else "polynomial",
    )
    warmup = int(optimizer.warmup_steps.value or 0)
    if str(name).startswith(NO_SCHEDULE):
        draft.cannot("optimizer.scheduler", f"is brought by `{name}` itself")
        shape = None
    run.put("lr_scheduler", "constant_with_warmup" if shape == "constant" and warmup else shape, "optimizer.scheduler")
    run.put("lr_warmup_steps", warmup, "optimizer.warmup_steps")
    if shape in ("linear", "polynomial"):
        run.put("lr_end", 0.0)
    clip = optimizer.gradient_clip.value
    run.put("grad_clip_method", "norm")
    run.put("max_grad_norm", 0.0 if clip is None else float(clip), "optimizer.gradient_clip")
    run.put("use_ema", optimizer.ema.value or None, "optimizer.ema")


def _length(draft: Draft, run: Sheet) -> None:
    plan = draft.plan
    steps, epochs = run_length(plan)
    run.put("max_train_steps", steps or 0, "steps")
    run.put("num_train_epochs", 0 if steps else words.whole(draft, "epochs", epochs) or 1, "epochs")
    run.put("train_batch_size", plan.batch_size.value, "batch_size")
    run.put("gradient_accumulation_steps", plan.accumulation.value, "accumulation")
    run.put("num_processes", plan.processes.value if plan.processes.value not in (None, 1) else None, "processes")
    run.put("seed", plan.seed.value, "seed")


def _precision(draft: Draft, run: Sheet) -> None:
    precision = draft.plan.precision
    compute = {"bf16": "bf16", "fp16": "fp16", "fp32": "no"}
    run.put(
        "mixed_precision",
        words.word(draft, "precision.compute", precision.compute.value or "bf16", compute, "bf16"),
        "precision.compute",
    )
    if precision.base.value != precision.compute.value and precision.base.value in compute:
        draft.cannot("precision.base", f"is kept in the format that is computed in, {precision.compute.value}")
    base = words.word(draft, "precision.base", precision.base.value or "bf16", BASES, "no_change")
    run.put("base_model_precision", base, "precision.base")
    encoder = precision.text_encoder.value
    if encoder in ("int8", "fp8", "int4", "nf4"):
        run.put("text_encoder_1_precision", BASES[str(encoder)], "precision.text_encoder")
    vae = precision.vae.value if draft.plan.model.family != "sana" else None
    run.put("vae_dtype", vae if vae in compute else None, "precision.vae")
    run.put("gradient_checkpointing", precision.gradient_checkpointing.value, "precision.gradient_checkpointing")
    run.put("musubi_blocks_to_swap", precision.blocks_to_swap.value or None, "precision.blocks_to_swap")
    if precision.save.value not in (None, precision.compute.value):
        draft.cannot("precision.save", "follows the run's own format")


def _timesteps(draft: Draft, run: Sheet) -> None:
    times, family = draft.plan.timesteps, draft.plan.model.family
    sampling, shift = times.sampling.value, times.shift.value
    if family == "sana" and sampling not in (None, "uniform"):
        draft.cannot("timesteps.sampling", "is drawn evenly from SANA's own table whatever is written")
    elif family in ("flux2-klein", "flux2-dev", "flux1"):
        run.put("flow_schedule_auto_shift", True if sampling in (None, "flux_shift") else None, "timesteps.sampling")
        if sampling == "uniform":
            run.put("flow_use_uniform_schedule", True, "timesteps.sampling")
        elif sampling not in (None, "flux_shift", "logit_normal"):
            draft.cannot("timesteps.sampling", f"`{sampling}` does not exist: a sigmoid of a normal is drawn")
        if sampling not in (None, "flux_shift"):
            run.put("flow_schedule_shift", float(shift if shift is not None else 1.0), "timesteps.shift")
    if family == "sdxl":
        run.put(
            "prediction_type",
            {"v": "v_prediction", "epsilon": "epsilon"}.get(str(times.prediction.value)),
            "timesteps.prediction",
        )
        run.put("rescale_betas_zero_snr", times.zero_terminal_snr.value or None, "timesteps.zero_terminal_snr")
        gamma = words.whole(draft, "timesteps.min_snr_gamma", times.min_snr_gamma.value)
        run.put("snr_gamma", gamma, "timesteps.min_snr_gamma")
        run.put("offset_noise", True if times.noise_offset.value else None, "timesteps.noise_offset")
        run.put("noise_offset", times.noise_offset.value, "timesteps.noise_offset")
    run.put("flux_guidance_value", times.guidance.value if family == "flux1" else None, "timesteps.guidance")


def _validation(draft: Draft, run: Sheet) -> None:
    validation = draft.plan.validation
    prompts = validation.prompts.value
    if not prompts:
        run.put("validation_disable", True)
        return
    edge, steps, guidance = known.recommended(draft.plan)
    size = validation.size.value or [edge, edge]
    if len(prompts) == 1:
        run.put("validation_prompt", prompts[0], "validation.prompts")
    else:
        library = {f"prompt_{number}": text for number, text in enumerate(prompts, 1)}
        run.put("user_prompt_library", draft.reference("prompts.json"))
        draft.extra("prompts.json", json.dumps(library, indent=2, ensure_ascii=False) + "\n")
    every = words.checkpoint_steps(draft, "validation") or words.default_checkpoint_steps(draft)
    run.put("validation_step_interval", every, "validation.every_steps")
    run.put("validation_resolution", f"{size[0]}x{size[-1]}", "validation.size")
    run.put("validation_guidance", guidance, "validation.guidance")
    run.put("validation_num_inference_steps", steps, "validation.sampler_steps")
    run.put("validation_seed", validation.seed.value if validation.seed.value is not None else 42, "validation.seed")


def _saving(draft: Draft, run: Sheet) -> None:
    saving = draft.plan.saving
    every = words.checkpoint_steps(draft) or words.default_checkpoint_steps(draft)
    run.put("checkpoint_step_interval", every, "saving.every_steps")
    run.put("checkpoints_total_limit", saving.keep.value or words.ALL, "saving.keep")


def _backends(draft: Draft, sheet: Sheet) -> None:
    dropout = max((data.caption_dropout.value or 0.0 for data in draft.plan.datasets), default=0.0)
    draft.sheets[0].put("caption_dropout_probability", dropout, "datasets.0.caption_dropout")
    number = 0
    for index, data in enumerate(draft.plan.datasets):
        number = _backend(draft, sheet, number, index, data)
    cache = f"{draft.plan.saving.folder.value or f'output/{draft.name}'}/cache"
    text = sheet.under(str(number))
    text.put("id", "text")
    text.put("type", "local")
    text.put("dataset_type", "text_embeds")
    text.put("default", True)
    text.put("cache_dir", f"{cache}/text")


def _backend(draft: Draft, sheet: Sheet, number: int, index: int, data: Dataset) -> int:
    """One entry for the images, one more for their masks or control images; returns the next free position."""
    at, entry = f"datasets.{index}", sheet.under(str(number))
    edge = words.single(draft, index, data) or 1024
    name = f"{_ID.sub('-', str(data.folder.value or 'images')).strip('-')[-40:] or 'images'}-{edge}-{index}"
    cache = f"{draft.plan.saving.folder.value or f'output/{draft.name}'}/cache"
    _place(entry, name, data.folder.value, edge, f"{cache}/vae-{index}")
    entry.put(
        "caption_strategy",
        words.word(draft, f"{at}.caption_source", data.caption_source.value or "files", SOURCES, "textfile"),
    )
    trigger = data.trigger.value or draft.plan.trigger.value
    if data.caption_source.value == "prompt":
        entry.put("instance_prompt", data.prompt.value, f"{at}.prompt")
    elif trigger:
        entry.put("instance_prompt", trigger, "trigger")
        entry.put("prepend_instance_prompt", True)
    entry.put("crop", data.buckets.value is False, f"{at}.buckets")
    if data.buckets.value is False:
        entry.put("crop_aspect", "square")
        entry.put("crop_style", "center")
    repeats = words.whole(draft, f"{at}.repeats", data.repeats.value) or 1
    entry.put("repeats", repeats - 1, f"{at}.repeats")
    entry.put("is_regularisation_data", data.regularisation.value or None, f"{at}.regularisation")
    entry.put("caption_shuffle.enable", data.shuffle_tags.value or None, f"{at}.shuffle_tags")
    entry.put("caption_shuffle.position_start", data.keep_tokens.value or None, f"{at}.keep_tokens")
    if data.caption_extension.value not in (None, ".txt"):
        draft.cannot(f"{at}.caption_extension", "is always .txt: rename the files")
    partners = [(data.masks.value, "mask"), (words.single_control(draft, index, data), "reference_strict")]
    linked = [(folder, kind) for folder, kind in partners if folder]
    if linked:
        entry.put("conditioning_data", [f"{name}-{kind.partition('_')[0]}" for _, kind in linked])
    for offset, (folder, kind) in enumerate(linked, 1):
        other = sheet.under(str(number + offset))
        _place(other, f"{name}-{kind.partition('_')[0]}", folder, edge, f"{cache}/vae-{index}-{offset}")
        other.put("dataset_type", "conditioning")
        other.put("conditioning_type", kind)
    return number + 1 + len(linked)


def _place(entry: Section, name: str, folder: str | None, edge: int, cache: str) -> None:
    entry.put("id", name)
    entry.put("type", "local")
    entry.put("instance_data_dir", folder)
    entry.put("resolution", edge)
    entry.put("resolution_type", "pixel_area")
    entry.put("minimum_image_size", edge // 2)
    entry.put("cache_dir_vae", cache)
