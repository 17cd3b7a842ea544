"""diffusion-pipe: the main TOML and its dataset TOML. Source: tdrussell/diffusion-pipe@8f83dbf train.py, utils/."""

from __future__ import annotations

from lora_doctor import derived
from lora_doctor.dialects.writers import known, targets, words
from lora_doctor.dialects.writers.draft import Draft, Section, Sheet
from lora_doctor.meaning import run_length
from lora_doctor.plan import Dataset

FAMILIES = ("flux2-klein", "flux2-dev", "flux1", "sdxl")
TYPES = {"flux1": "flux", "sdxl": "sdxl"}
DTYPES = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}
STORED = {**DTYPES, "fp8": "float8"}
OPTIMIZERS = {
    "adamw": "adamw",
    "adamw8bit": "adamw8bit",
    "adamw-kahan": "adamw_optimi",
    "adamw8bit-kahan": "AdamW8bitKahan",
    "lion": "Lion",
    "prodigy": "Prodigy",
    "adafactor": "AdaFactor",
    "adamw-schedulefree": "ScheduleFreeAdamW",
}
SCHEDULERS = {"constant": "constant", "linear": "linear", "cosine": "cosine"}
KINDS = {"lora": "lora", "locon": "lora", "lokr": "lokr"}
MINUTES = 120  # between states to resume from; none are saved by default


def write(draft: Draft) -> None:
    """The main config, and beside it the one of the images."""
    main = draft.sheet(f"{draft.name}.toml", "toml")
    dataset = f"{draft.name}-dataset.toml"
    _run(draft, main, dataset)
    _model(draft, main.under("model"))
    _adapter(draft, main.under("adapter"))
    _optimizer(draft, main.under("optimizer"))
    _folders(draft, draft.sheet(dataset, "toml"))
    _unsaid(draft)


def _run(draft: Draft, main: Sheet, dataset: str) -> None:
    plan = draft.plan
    main.put("output_dir", plan.saving.folder.value or "output", "saving.folder")
    main.put("dataset", draft.reference(dataset))
    steps, epochs = run_length(plan)
    main.put(
        "epochs",
        _epochs(draft, steps, epochs),
        "epochs" if steps is None else "",
        "" if steps is None else "`max_steps` ends the run; the key must be there",
    )
    main.put("max_steps", steps, "steps")
    main.put("micro_batch_size_per_gpu", plan.batch_size.value, "batch_size")
    main.put("gradient_accumulation_steps", plan.accumulation.value, "accumulation")
    main.put("pipeline_stages", 1)
    main.put("gradient_clipping", plan.optimizer.gradient_clip.value, "optimizer.gradient_clip")
    main.put("warmup_steps", int(plan.optimizer.warmup_steps.value or 0), "optimizer.warmup_steps")
    shape = words.word(draft, "optimizer.scheduler", plan.optimizer.scheduler.value, SCHEDULERS, "constant")
    if shape == "cosine" and plan.model.family == "sdxl" and not plan.train_text_encoder.value:
        shape = "linear"
        draft.cannot(
            "optimizer.scheduler",
            "ends at 1e-6 for every part here, the text encoders' 0 included: `linear` falls to 0",
        )
    main.put("lr_scheduler", shape, "optimizer.scheduler")
    checkpointing = plan.precision.gradient_checkpointing
    main.put("activation_checkpointing", checkpointing.value, "precision.gradient_checkpointing")
    main.put("blocks_to_swap", plan.precision.blocks_to_swap.value or None, "precision.blocks_to_swap")
    dropout = {data.caption_dropout.value for data in plan.datasets}
    main.put("uncond_fraction", max((value or 0.0 for value in dropout), default=0.0), "datasets.0.caption_dropout")
    _saves(draft, main)


def _epochs(draft: Draft, steps: int | None, epochs: float | None) -> int:
    """The epochs, or more of them than the steps can take."""
    if steps is None:
        return words.whole(draft, "epochs", epochs) or 1
    samples, batch = derived.samples_per_epoch(draft.plan), derived.effective_batch(draft.plan)
    return int(steps * batch // samples) + 2 if samples and batch else max(1000, steps)


def _saves(draft: Draft, main: Sheet) -> None:
    saving = draft.plan.saving
    by_epoch = saving.every_epochs.value and not saving.every_steps.value
    every = saving.every_steps.value or words.default_checkpoint_steps(draft)
    main.put("save_every_n_epochs", saving.every_epochs.value if by_epoch else None, "saving.every_epochs")
    main.put("save_every_n_steps", None if by_epoch else every, "saving.every_steps")
    main.put("checkpoint_every_n_minutes", MINUTES, why="states to resume from: none are saved by default")
    main.put("save_dtype", STORED.get(draft.plan.precision.save.value or "bf16"), "precision.save")
    if saving.keep.value:
        draft.cannot("saving.keep", "can't be set: every checkpoint stays on disk")


def _model(draft: Draft, model: Section) -> None:
    plan, family = draft.plan, draft.plan.model.family
    kind = TYPES.get(family or "", "flux2")
    model.put("type", kind, "model")
    compute = words.word(draft, "precision.compute", plan.precision.compute.value or "bf16", DTYPES, "bfloat16")
    base = STORED.get(plan.precision.base.value or "")
    if plan.precision.base.value in ("int8", "int4", "nf4"):
        base = "float8"
        draft.cannot("precision.base", "becomes float8, the one small format there is")
    if kind == "sdxl":
        model.put("checkpoint_path", known.single_file(draft), "model_file")
        model.put("dtype", compute, "precision.compute")
        _sdxl(draft, model)
        return
    if kind == "flux":
        model.put("diffusers_path", known.repository(draft), "model_file")
    else:
        model.put("diffusion_model", known.single_file(draft), "model_file")
        model.put("vae", known.vae_file(draft), "vae_file")
        model.put("text_encoders", [{"path": known.encoder_file(draft), "type": "flux2"}], "text_encoder_file")
    model.put("dtype", compute, "precision.compute")
    if base == "float8":
        model.put("diffusion_model_dtype" if kind == "flux2" else "transformer_dtype", base, "precision.base")
    _timesteps(draft, model, kind)


def _timesteps(draft: Draft, model: Section, kind: str) -> None:
    times = draft.plan.timesteps
    sampling, shift = times.sampling.value, times.shift.value
    if sampling is None:
        model.put("timestep_sample_method", "logit_normal", why="what diffusion-pipe documents for this model")
        model.put("shift", 3, why="what diffusion-pipe documents for this model")
    elif sampling in ("flux_shift", "uniform_shift"):
        model.put(
            "timestep_sample_method", "logit_normal" if sampling == "flux_shift" else "uniform", "timesteps.sampling"
        )
        model.put("flux_shift", True, "timesteps.sampling")
    else:
        methods = {"logit_normal": "logit_normal", "uniform": "uniform"}
        model.put(
            "timestep_sample_method",
            words.word(draft, "timesteps.sampling", sampling, methods, "logit_normal"),
            "timesteps.sampling",
        )
        model.put("shift", shift if shift != 1.0 else None, "timesteps.shift")
    model.put("guidance", times.guidance.value if kind == "flux" else None, "timesteps.guidance")


def _sdxl(draft: Draft, model: Section) -> None:
    """The text encoders always come along: a rate of 0 keeps them as they are."""
    plan = draft.plan
    rate = words.rate_at_full_scale(draft, "diffusion-pipe")
    model.put("v_pred", True if plan.timesteps.prediction.value == "v" else None, "timesteps.prediction")
    model.put("min_snr_gamma", plan.timesteps.min_snr_gamma.value, "timesteps.min_snr_gamma")
    model.put("unet_lr", rate, "optimizer.learning_rate")
    text = plan.optimizer.text_encoder_learning_rate.value if plan.train_text_encoder.value else 0
    for number in (1, 2):
        why = "" if text else "diffusion-pipe always trains both text encoders: 0 keeps them as they are"
        model.put(
            f"text_encoder_{number}_lr", text if text is not None else rate, "optimizer.text_encoder_learning_rate", why
        )
    if plan.timesteps.zero_terminal_snr.value and plan.timesteps.prediction.value != "v":
        draft.cannot("timesteps.zero_terminal_snr", "goes with v-prediction only here")


def _adapter(draft: Draft, adapter: Section) -> None:
    network = draft.plan.network
    adapter.put("type", words.word(draft, "network.kind", network.kind.value, KINDS, "lora"), "network.kind")
    adapter.put("rank", network.rank.value, "network.rank")
    dtype = network.dtype.value if network.dtype.value in ("bf16", "fp32") else "fp32"
    adapter.put("dtype", DTYPES[dtype], "network.dtype")
    adapter.put("dropout", network.dropout.value or None, "network.dropout")
    adapter.put("init_from_existing", network.weights.value, "network.weights")
    omitted = targets.left_out(draft.plan) if str(draft.plan.model.family).startswith("flux2") else None
    adapter.put("exclude_modules", omitted or None, "network.targets")


def _optimizer(draft: Draft, section: Section) -> None:
    optimizer = draft.plan.optimizer
    name = words.word(draft, "optimizer.name", optimizer.name.value, OPTIMIZERS, "adamw")
    section.put("type", name, "optimizer.name")
    section.put("lr", words.rate_at_full_scale(draft, "diffusion-pipe"), "optimizer.learning_rate")
    section.put("weight_decay", words.decay_at_full_scale(draft), "optimizer.weight_decay")
    if optimizer.ema.value:
        draft.cannot("optimizer.ema", "is not there: the last weights are saved, not their average")


def _folders(draft: Draft, sheet: Sheet) -> None:
    """Each folder has its own resolutions: a folder listed twice would be cached in one place."""
    plan = draft.plan
    entries: dict[tuple[object, ...], list[int]] = {}
    for index, data in enumerate(plan.datasets):
        key = (data.folder.value, data.repeats.value, data.masks.value, data.control.value, data.shuffle_tags.value)
        entries.setdefault(key, []).append(index)
    edges = [[words.single(draft, i, plan.datasets[i]) or 1024 for i in group] for group in entries.values()]
    sheet.put("resolutions", edges[0] if edges else [1024], "datasets.0.resolution")
    buckets = all(data.buckets.value is not False for data in plan.datasets)
    sheet.put("enable_ar_bucket", buckets, "datasets.0.buckets")
    if buckets:
        sheet.put("min_ar", 0.5)
        sheet.put("max_ar", 2.0)
        sheet.put("num_ar_buckets", 7)
    for number, (group, sizes) in enumerate(zip(entries.values(), edges, strict=True)):
        _directory(draft, sheet.under(f"directory.{number}"), group[0], plan.datasets[group[0]])
        if sizes != edges[0]:
            sheet.put(f"directory.{number}.resolutions", sizes, f"datasets.{group[0]}.resolution")


def _directory(draft: Draft, section: Section, index: int, data: Dataset) -> None:
    at = f"datasets.{index}"
    section.put("path", data.folder.value, f"{at}.folder")
    section.put("mask_path", data.masks.value, f"{at}.masks")
    section.put("control_path", words.single_control(draft, index, data), f"{at}.control")
    repeats = data.repeats.value
    if repeats is not None and repeats >= 1:
        repeats = words.whole(draft, f"{at}.repeats", repeats)
    section.put("num_repeats", repeats, f"{at}.repeats")
    section.put("shuffle_tags", data.shuffle_tags.value or None, f"{at}.shuffle_tags")
    if data.caption_source.value == "prompt":
        section.put("caption_prefix", data.prompt.value, f"{at}.prompt")
        draft.cannot(
            f"{at}.caption_source", "is put in front of the caption files here: images without one are left out"
        )
    if data.caption_extension.value not in (None, ".txt"):
        draft.cannot(
            f"{at}.caption_extension", "is always .txt: rename the files, or every image trains without caption"
        )
    if data.keep_tokens.value:
        draft.cannot(f"{at}.keep_tokens", "does not exist: the first tags are shuffled too")
    if data.regularisation.value:
        draft.cannot(f"{at}.regularisation", "does not exist: these images train like the others")


def _unsaid(draft: Draft) -> None:
    plan = draft.plan
    if plan.validation.prompts.value:
        draft.cannot("validation.prompts", "no previews are drawn: judge checkpoints in your own program")
    if plan.trigger.value:
        draft.cannot("trigger", "is not put into captions: write it into them")
    if plan.seed.value is not None:
        draft.cannot("seed", "can't be set: two runs differ")
    if plan.validation.held_out.value:
        draft.cannot("validation.held_out", "is a dataset config of its own here (`eval_datasets`): move the images")
    if plan.timesteps.noise_offset.value:
        draft.cannot("timesteps.noise_offset", "does not exist")
