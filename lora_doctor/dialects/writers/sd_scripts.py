"""sd-scripts: the options in a `--config_file`, the images in a dataset config, and the command that starts it.

The options stand in a file, not on the command line, so that the command is one line for every shell.
Source: kohya-ss/sd-scripts@48d368fa train_network.py, library/train_util.py, library/config_util.py.
"""

from __future__ import annotations

from lora_doctor.dialects.writers import known, kohya, words
from lora_doctor.dialects.writers.draft import Draft, Section, Sheet
from lora_doctor.plan import Dataset

FAMILIES = ("sdxl", "flux1")
SCRIPTS = {"sdxl": "sdxl_train_network.py", "flux1": "flux_train_network.py"}
MODULES = {"sdxl": "networks.lora", "flux1": "networks.lora_flux"}
SAMPLING = {"logit_normal": "sigmoid", "uniform": "uniform", "flux_shift": "flux_shift"}


def write(draft: Draft) -> None:
    """Command, options, folders, prompts."""
    plan, family = draft.plan, draft.plan.model.family or "sdxl"
    name, dataset = f"{draft.name}.toml", f"{draft.name}-dataset.toml"
    options = draft.sheet(name, "toml")
    _model(draft, options, family)
    kohya.network(draft, options, MODULES[family])
    conv = [("conv_dim", plan.network.conv_rank.value), ("conv_alpha", plan.network.conv_alpha.value)]
    options.put("network_args", [f"{key}={value:g}" for key, value in conv if value] or None, "network.conv_rank")
    _parts(draft, options, family)
    kohya.optimizer(draft, options, kohya.OPTIMIZERS)
    kohya.length(draft, options)
    kohya.precision(draft, options)
    _noise(draft, options, family)
    kohya.saving(draft, options)
    kohya.previews(draft, options, "g" if family == "flux1" else "l")
    options.put("dataset_config", draft.reference(dataset))
    _caches(draft, options)
    _folders(draft, draft.sheet(dataset, "toml"))
    kohya.unsaid(draft)
    processes = plan.processes.value or 1
    launch = ["accelerate", "launch", "--num_cpu_threads_per_process", "1", "--num_processes", str(processes)]
    started = [*launch, SCRIPTS[family], "--config_file", draft.reference(name)]
    draft.starter(draft.command(started, where="start it in sd-scripts' folder"))


def _model(draft: Draft, options: Sheet, family: str) -> None:
    if family == "sdxl":
        options.put("pretrained_model_name_or_path", known.either(draft), "model_file")
        vae = draft.plan.vae.setting.value
        options.put("vae", vae if draft.plan.vae.setting.written else None, "vae_file")
        return
    options.put("pretrained_model_name_or_path", known.single_file(draft), "model_file")
    options.put("clip_l", "models/clip_l.safetensors")
    options.put("t5xxl", known.encoder_file(draft), "text_encoder_file")
    options.put("ae", known.vae_file(draft), "vae_file")


def _parts(draft: Draft, options: Sheet, family: str) -> None:
    """Which parts learn, and at which rate."""
    plan = draft.plan
    if not plan.train_text_encoder.value:
        options.put("network_train_unet_only", True, "train_text_encoder")
        return
    rate = plan.optimizer.text_encoder_learning_rate.value
    options.put("text_encoder_lr", [rate] if rate is not None else None, "optimizer.text_encoder_learning_rate")
    options.put("unet_lr", plan.learning_rate.value, "optimizer.learning_rate")


def _caches(draft: Draft, options: Sheet) -> None:
    """Cached texts never change: nothing may drop or shuffle them, nor train their encoder."""
    plan = draft.plan
    options.put("cache_latents", plan.cache_latents.value, "cache_latents")
    changing = any(data.caption_dropout.value or data.shuffle_tags.value for data in plan.datasets)
    if plan.cache_text.value and (changing or plan.train_text_encoder.value):
        draft.cannot("cache_text", "would freeze the captions here, so they are encoded at every step: slower, no more")
    elif plan.cache_text.value:
        options.put("cache_text_encoder_outputs", True, "cache_text")


def _noise(draft: Draft, options: Sheet, family: str) -> None:
    plan, times = draft.plan, draft.plan.timesteps
    base = plan.precision.base.value
    if base in ("fp8", "int8", "int4", "nf4"):
        whole = plan.precision.text_encoder.value == "fp8"  # `fp8_base` holds for the text encoders too
        options.put("fp8_base" if whole else "fp8_base_unet", True, "precision.base")
    if family == "sdxl":
        options.put("no_half_vae", True, why="SDXL's own VAE overflows in 16 bits")
        options.put("min_snr_gamma", times.min_snr_gamma.value, "timesteps.min_snr_gamma")
        options.put("noise_offset", times.noise_offset.value, "timesteps.noise_offset")
        options.put("v_parameterization", True if times.prediction.value == "v" else None, "timesteps.prediction")
        options.put("zero_terminal_snr", times.zero_terminal_snr.value or None, "timesteps.zero_terminal_snr")
        options.put("max_token_length", 225, "prompt_tokens", "captions beyond 75 tokens would be cut off")
        return
    options.put("blocks_to_swap", plan.precision.blocks_to_swap.value or None, "precision.blocks_to_swap")
    sampling, shift = times.sampling.value or "flux_shift", times.shift.value
    if sampling == "logit_normal" and shift not in (None, 1.0):
        options.put("timestep_sampling", "shift", "timesteps.sampling")
        options.put("discrete_flow_shift", shift, "timesteps.shift")
    else:
        if shift not in (None, 1.0):
            draft.cannot("timesteps.shift", "goes with a sigmoid of a normal only: noise is drawn without it")
        chosen = words.word(draft, "timesteps.sampling", sampling, SAMPLING, "sigmoid")
        why = "" if times.sampling.value else "what the trainer's documentation sets for this model"
        options.put("timestep_sampling", chosen, "timesteps.sampling", why)
    options.put("model_prediction_type", "raw", why="the scripts' documentation for FLUX.1")
    options.put("guidance_scale", 1.0 if times.guidance.value is None else times.guidance.value, "timesteps.guidance")


def _folders(draft: Draft, sheet: Sheet) -> None:
    for index, data in enumerate(draft.plan.datasets):
        at, home = f"datasets.{index}", sheet.under(f"datasets.{index}")
        edge = words.single(draft, index, data) or 1024
        home.put("resolution", edge, f"{at}.resolution")
        home.put("batch_size", data.batch_size.value or draft.plan.batch_size.value, "batch_size")
        home.put("enable_bucket", data.buckets.value is not False, f"{at}.buckets")
        if data.buckets.value is not False:
            home.put("bucket_no_upscale", True, why="small images keep their size")
            home.put("max_bucket_reso", max(edge * 2, 1024))
            home.put("min_bucket_reso", min(256, edge))
        _subset(draft, sheet.under(f"datasets.{index}.subsets.0"), index, data)


def _subset(draft: Draft, subset: Section, index: int, data: Dataset) -> None:
    at = f"datasets.{index}"
    subset.put("image_dir", data.folder.value, f"{at}.folder")
    subset.put("caption_extension", data.caption_extension.value or ".txt", f"{at}.caption_extension")
    subset.put("class_tokens", data.prompt.value or draft.plan.trigger.value, f"{at}.prompt")
    repeats = words.whole(draft, f"{at}.repeats", data.repeats.value)
    subset.put("num_repeats", repeats, f"{at}.repeats")
    subset.put("caption_dropout_rate", data.caption_dropout.value or None, f"{at}.caption_dropout")
    subset.put("shuffle_caption", data.shuffle_tags.value or None, f"{at}.shuffle_tags")
    subset.put("keep_tokens", data.keep_tokens.value or None, f"{at}.keep_tokens")
    subset.put("conditioning_data_dir", data.masks.value, f"{at}.masks")
    subset.put("is_reg", data.regularisation.value or None, f"{at}.regularisation")
    if data.masks.value:
        draft.sheets[0].put("masked_loss", True, f"{at}.masks")
    if data.control.value:
        draft.cannot(f"{at}.control", "is not read: the images are trained without their partners")
