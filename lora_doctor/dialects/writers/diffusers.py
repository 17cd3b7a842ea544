"""The diffusers example scripts: one command. Source: huggingface/diffusers@58eb52c0 examples/dreambooth."""

from __future__ import annotations

import json
import os
from collections.abc import Collection

from lora_doctor import derived
from lora_doctor.dataset.listing import Listing
from lora_doctor.dialects.diffusers_scripts import SCRIPTS as FACTS
from lora_doctor.dialects.writers import known, targets, words
from lora_doctor.dialects.writers.draft import Draft, Sheet
from lora_doctor.meaning import run_length
from lora_doctor.plan import Dataset
from lora_doctor.setting import key_table

FAMILIES = ("flux2-klein", "flux2-dev", "flux1", "sana", "sdxl")
SCRIPTS = {
    "flux2-klein": "train_dreambooth_lora_flux2_klein.py",
    "flux2-dev": "train_dreambooth_lora_flux2.py",
    "flux1": "train_dreambooth_lora_flux.py",
    "sana": "train_dreambooth_lora_sana.py",
    "sdxl": "train_dreambooth_lora_sdxl.py",
}
SCHEDULERS = {name: name for name in ("constant", "linear", "cosine", "cosine_with_restarts", "polynomial")}
DTYPES = {"bf16": "bf16", "fp16": "fp16", "fp32": "no"}
TABLES = ("metadata.jsonl", "metadata.csv", "metadata.parquet")


def write(draft: Draft) -> None:
    """The command, with a line for every option."""
    plan = draft.plan
    script = SCRIPTS[plan.model.family or "flux2-klein"]
    options = Sheet("", "shell", draft)
    reads = key_table("diffusers", script).keys
    options.put("pretrained_model_name_or_path", known.repository(draft), "model_file")
    if known.is_repository(plan.vae.setting.value) and "pretrained_vae_model_name_or_path" in reads:
        options.put("pretrained_vae_model_name_or_path", plan.vae.setting.value, "vae_file")
    elif plan.vae.setting.written:
        draft.cannot("vae_file", "is part of the model's repository here")
    if plan.text_encoder.setting.written:
        draft.cannot("text_encoder_file", "is part of the model's repository here")
    options.put("output_dir", plan.saving.folder.value or f"output/{draft.name}", "saving.folder")
    _images(draft, options, reads.keys())
    _adapter(draft, options, script)
    _optimizer(draft, options)
    _length(draft, options)
    _precision(draft, options, script)
    _noise(draft, options)
    _saving(draft, options)
    processes = str(plan.processes.value or 1)
    launch = ["accelerate", "launch", "--num_processes", processes, script]
    draft.starter(draft.command(launch, options.rows, "start it in diffusers' examples/dreambooth"))


def _images(draft: Draft, options: Sheet, reads: Collection[str]) -> None:
    """One set of images, with one prompt for all, or captions from a table beside them."""
    datasets, at = draft.plan.datasets, "datasets.0"
    if not datasets:
        return
    data = max(datasets, key=lambda each: max(each.resolution.value or [0]))
    if len(datasets) > 1:
        edge = max(data.resolution.value or [1024])
        one = f"of {len(datasets)} only {data.folder.value} at {edge} is trained on"
        draft.cannot("datasets", f"takes one folder at one resolution: {one}")
    prompt = data.prompt.value or draft.plan.trigger.value or data.trigger.value or "a photo"
    _source(draft, options, data, prompt)
    options.put("instance_prompt", prompt, f"{at}.prompt")
    options.put("repeats", words.whole(draft, f"{at}.repeats", data.repeats.value), f"{at}.repeats")
    options.put("resolution", words.single(draft, 0, data) or 1024, f"{at}.resolution")
    if "use_aspect_ratio_buckets" in reads:
        options.put("use_aspect_ratio_buckets", data.buckets.value is not False, f"{at}.buckets")
    else:
        options.put("center_crop", True)
        if data.buckets.value is not False:
            draft.cannot(f"{at}.buckets", "does not exist: every image is cropped to a square")
    if "caption_dropout" in reads:
        options.put("caption_dropout", data.caption_dropout.value or None, f"{at}.caption_dropout")
    _unsaid(draft, data)


def _source(draft: Draft, options: Sheet, data: Dataset, prompt: str) -> None:
    """A set of the hub, a folder with a table of captions, links to images with caption files, or images alone."""
    listing, at, plan = data.listing, "datasets.0", draft.plan
    hub = plan.get("dataset_name").value if plan.trainer == "diffusers" else None
    beside = data.caption_source.value == "files"
    if hub:
        options.put("dataset_name", hub, f"{at}.folder")
        options.put("caption_column", plan.get("caption_column").value, f"{at}.caption_source")
    elif beside and listing is not None and any(name in listing.others for name in TABLES):
        options.put("dataset_name", data.folder.value, f"{at}.folder")
        options.put("caption_column", "text")
    elif beside and listing is not None and listing.captioned(_extension(data)):
        draft.cannot(f"{at}.folder", "is a folder of links to your images, with their captions in a metadata.jsonl")
        draft.cannot(f"{at}.caption_source", "stand in a metadata.jsonl: the script reads no caption files")
        options.put("dataset_name", _captioned(draft, data, listing), f"{at}.folder")
        options.put("caption_column", "text")
    else:
        options.put("instance_data_dir", data.folder.value, f"{at}.folder")
        if data.caption_source.value != "prompt":
            alone = f"without one, every image is trained with `{prompt}`"
            draft.cannot(f"{at}.caption_source", f"come from a metadata.jsonl beside the images only: {alone}")


def _extension(data: Dataset) -> str:
    return data.caption_extension.value or ".txt"


def _captioned(draft: Draft, data: Dataset, listing: Listing) -> str:
    """A folder of links to the images, with their captions in one table as the `datasets` library reads it."""
    lines = []
    extension = _extension(data)
    for name in listing.images:
        beside = listing.folder / f"{os.path.splitext(name)[0]}{extension}"
        text = beside.read_text(encoding="utf-8-sig", errors="replace").strip() if beside.is_file() else ""
        draft.link(f"images/{name}", listing.folder / name)
        lines.append(json.dumps({"file_name": name, "text": text}, ensure_ascii=False))
    draft.extra("images/metadata.jsonl", "\n".join(lines) + "\n")
    return draft.reference("images")


def _unsaid(draft: Draft, data: Dataset) -> None:
    if data.caption_dropout.value:
        draft.cannot("datasets.0.caption_dropout", "does not exist: every step sees its caption")
    if data.shuffle_tags.value:
        draft.cannot("datasets.0.shuffle_tags", "does not exist: tags keep their order")
    if data.masks.value:
        draft.cannot("datasets.0.masks", "does not exist: the whole image is learned")
    if data.control.value:
        draft.cannot("datasets.0.control", "needs the image-to-image script: the images are trained alone")
    if data.regularisation.value:
        draft.cannot("datasets.0.regularisation", "are made by `--with_prior_preservation` here")


def _adapter(draft: Draft, options: Sheet, script: str) -> None:
    network, reads = draft.plan.network, key_table("diffusers", script).keys
    kinds = {"lora": "lora", "dora": "dora"} if "use_dora" in reads else {"lora": "lora"}
    kind = words.word(draft, "network.kind", network.kind.value, kinds, "lora")
    options.put("use_dora", True if kind == "dora" else None, "network.kind")
    options.put("rank", network.rank.value, "network.rank")
    if "lora_alpha" in reads:
        alpha = words.whole(draft, "network.alpha", network.alpha.value)
        options.put("lora_alpha", alpha, "network.alpha")
    options.put("lora_dropout", network.dropout.value or None, "network.dropout")
    chosen = targets.peft(draft.plan)
    same = chosen is None or sorted(chosen) == sorted(FACTS[script].targets)
    if "lora_layers" in reads:
        options.put("lora_layers", None if same or chosen is None else ",".join(chosen), "network.targets")
    if network.weights.value:
        draft.cannot("network.weights", "can't be read: the adapter starts anew")
    options.put(
        "train_text_encoder",
        draft.plan.train_text_encoder.value if "train_text_encoder" in reads else None,
        "train_text_encoder",
    )


def _optimizer(draft: Draft, options: Sheet) -> None:
    optimizer, plan = draft.plan.optimizer, draft.plan
    scripts = key_table("diffusers", SCRIPTS[plan.model.family or "flux2-klein"]).keys
    names = {"adamw": "AdamW", "adamw8bit": "AdamW", "prodigy": "prodigy"}
    name = words.word(draft, "optimizer.name", optimizer.name.value, names, "AdamW")
    options.put("optimizer", name, "optimizer.name")
    options.put(
        "use_8bit_adam", True if optimizer.name.value in ("adamw8bit", "adamw8bit-kahan") else None, "optimizer.name"
    )
    has_alpha = "lora_alpha" in scripts
    rate = optimizer.learning_rate.value if has_alpha else words.rate_at_full_scale(draft, "this script")
    options.put("learning_rate", rate, "optimizer.learning_rate")
    if "text_encoder_lr" in scripts and plan.train_text_encoder.value:
        options.put(
            "text_encoder_lr", optimizer.text_encoder_learning_rate.value, "optimizer.text_encoder_learning_rate"
        )
    decay = optimizer.weight_decay.value if has_alpha else words.decay_at_full_scale(draft)
    options.put("adam_weight_decay", decay, "optimizer.weight_decay")
    shape = words.word(draft, "optimizer.scheduler", optimizer.scheduler.value, SCHEDULERS, "constant")
    warmup = int(optimizer.warmup_steps.value or 0)
    options.put(
        "lr_scheduler", "constant_with_warmup" if shape == "constant" and warmup else shape, "optimizer.scheduler"
    )
    options.put("lr_warmup_steps", warmup, "optimizer.warmup_steps")
    options.put("max_grad_norm", optimizer.gradient_clip.value, "optimizer.gradient_clip")
    if optimizer.ema.value:
        draft.cannot("optimizer.ema", "does not exist: the last weights are saved, not their average")


def _length(draft: Draft, options: Sheet) -> None:
    plan = draft.plan
    steps, epochs = run_length(plan)
    options.put("max_train_steps", steps, "steps")
    options.put("num_train_epochs", words.whole(draft, "epochs", epochs) if steps is None else None, "epochs")
    batch, accumulation = plan.batch_size.value, plan.accumulation.value
    captioned = options.has("caption_column")
    if plan.model.family == "sana" and not captioned and (batch or 1) > 1:
        batch, accumulation = 1, (batch or 1) * (accumulation or 1)
        draft.cannot(
            "batch_size", "above 1 stops the SANA script where all images have one prompt: accumulated instead"
        )
        draft.cannot("datasets.0.batch_size", "above 1 stops the SANA script: accumulated instead")
        draft.cannot("accumulation", "makes up for a batch of 1")
    options.put("train_batch_size", batch, "batch_size")
    options.put("gradient_accumulation_steps", accumulation, "accumulation")
    options.put("seed", plan.seed.value, "seed")


def _precision(draft: Draft, options: Sheet, script: str) -> None:
    """In bf16 the scripts keep the adapter in bf16 too, where most of its updates are lost: fp32 is kept otherwise."""
    precision, reads = draft.plan.precision, key_table("diffusers", script).keys
    wanted = precision.compute.value or "bf16"
    quantised = _quantised(draft, options, "bnb_quantization_config_path" in reads)
    if wanted == "bf16" and draft.plan.network.dtype.value != "bf16" and not quantised:
        wanted = "fp16" if draft.plan.model.family == "sdxl" else "fp32"
        draft.cannot(
            "precision.compute",
            f"would keep the adapter in bf16 here, where most of its updates are lost: {wanted} keeps it in fp32",
        )
    options.put("mixed_precision", DTYPES.get(wanted, "bf16"), "precision.compute")
    options.put("gradient_checkpointing", precision.gradient_checkpointing.value, "precision.gradient_checkpointing")
    if "cache_latents" in reads:
        options.put("cache_latents", _caches_latents(draft, options), "cache_latents")
    if precision.blocks_to_swap.value:
        draft.cannot("precision.blocks_to_swap", "does not exist: all blocks stay on the card")


def _caches_latents(draft: Draft, options: Sheet) -> bool | None:
    """Caches that are found again by the step of the epoch hold the wrong image wherever the order differs."""
    facts = FACTS[SCRIPTS[draft.plan.model.family or "flux2-klein"]]
    captioned = options.has("caption_column")
    if facts.latents == "step" and (captioned or draft.plan.processes.value != 1) and draft.plan.cache_latents.value:
        draft.cannot("cache_latents", "would pair images with other captions in this script: encoded at every step")
        return False
    return draft.plan.cache_latents.value


def _quantised(draft: Draft, options: Sheet, able: bool) -> bool:
    """A base in 4 or 8 bits by bitsandbytes, with a file that says so; the adapter is kept in fp32 then."""
    base = draft.plan.precision.base.value
    wants_full = draft.plan.network.dtype.value != "bf16"
    if base not in ("fp8", "int8", "int4", "nf4") and not (wants_full and draft.plan.model.family == "flux2-klein"):
        return False
    if not able:
        draft.cannot("precision.base", "is stored in the format that is computed in: more memory is needed")
        return False
    if base not in ("int8", "nf4"):
        draft.cannot(
            "precision.base",
            "becomes int8 of bitsandbytes, with which the adapter is kept in fp32; in bf16 most "
            "of its updates would be lost",
        )
    four = base in ("int4", "nf4")
    text = '{"load_in_4bit": true, "bnb_4bit_quant_type": "nf4"}' if four else '{"load_in_8bit": true}'
    draft.extra("bnb.json", f"{text}\n")
    options.put("bnb_quantization_config_path", draft.reference("bnb.json"), "precision.base")
    return True


def _noise(draft: Draft, options: Sheet) -> None:
    times, family = draft.plan.timesteps, draft.plan.model.family
    if family == "sdxl":
        options.put("snr_gamma", times.min_snr_gamma.value, "timesteps.min_snr_gamma")
        for field in ("noise_offset", "zero_terminal_snr"):
            if getattr(times, field).value:
                draft.cannot(f"timesteps.{field}", "does not exist in this script")
        return
    schemes = {"uniform": "none", "logit_normal": "logit_normal", "flux_shift": "logit_normal"}
    sampling = times.sampling.value or "logit_normal"
    if sampling in ("flux_shift", "uniform_shift") or times.shift.value not in (None, 1.0):
        draft.cannot("timesteps.sampling", "is drawn without a shift")
        draft.cannot("timesteps.shift", "does not exist: noise is drawn without it")
    chosen = words.word(draft, "timesteps.sampling", sampling, schemes, "logit_normal")
    why = "" if times.sampling.value else "middle noise levels teach most; the default draws evenly"
    options.put("weighting_scheme", chosen, "timesteps.sampling", why)
    if family in ("flux1",):
        options.put("guidance_scale", times.guidance.value, "timesteps.guidance")
    if family == "flux2-klein":
        options.put(
            "text_encoder_out_layers",
            [9, 18, 27],
            why="Klein's layers of Qwen3; the script's default are those of FLUX.2-dev",
        )


def _saving(draft: Draft, options: Sheet) -> None:
    saving, validation = draft.plan.saving, draft.plan.validation
    every = words.checkpoint_steps(draft) or words.default_checkpoint_steps(draft)
    options.put("checkpointing_steps", every, "saving.every_steps")
    options.put("checkpoints_total_limit", saving.keep.value, "saving.keep")
    prompts = validation.prompts.value or []
    if prompts:
        options.put("validation_prompt", prompts[0], "validation.prompts")
        options.put(
            "validation_epochs", validation.every_epochs.value or _preview_epochs(draft), "validation.every_epochs"
        )
    draft.cannot("validation.seed", "is the run's own seed here")
    if len(prompts) > 1:
        draft.cannot("validation.prompts", f"takes one prompt: of {len(prompts)} only the first is drawn")


def _preview_epochs(draft: Draft) -> int:
    """Previews come by epochs only: as many as come nearest to the steps between them."""
    steps = words.checkpoint_steps(draft, "validation") or words.default_checkpoint_steps(draft)
    samples, batch = derived.samples_per_epoch(draft.plan), derived.effective_batch(draft.plan)
    draft.cannot("validation.every_steps", "are counted in epochs here")
    return max(1, round(steps * batch / samples)) if samples and batch else 50
