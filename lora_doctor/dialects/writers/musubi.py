"""musubi-tuner: the options in a `--config_file`, the images in a dataset config, and three commands.

Training reads nothing but the caches of the first two commands. Source: kohya-ss/musubi-tuner@30c658c docs/flux_2.md,
training/parser_common.py, dataset/config_utils.py.
"""

from __future__ import annotations

from lora_doctor.dialects.writers import known, kohya, targets, words
from lora_doctor.dialects.writers.draft import Draft, Sheet

FAMILIES = ("flux2-klein", "flux2-dev")
OPTIMIZERS = {
    "adamw": "AdamW",
    "adamw8bit": "AdamW8bit",
    "adafactor": "Adafactor",
    "prodigy": "prodigyopt.Prodigy",
    "lion": "lion_pytorch.Lion",
    "lion8bit": "bitsandbytes.optim.Lion8bit",
    "adamw-schedulefree": "schedulefree.AdamWScheduleFree",
}
SAMPLING = {"logit_normal": "sigmoid", "uniform": "uniform", "flux_shift": "flux2_shift"}


def version(draft: Draft) -> str:
    """`--model_version`."""
    model = draft.plan.model
    if model.family == "flux2-dev":
        return "dev"
    return f"klein-{'' if model.variant == 'distilled' else 'base-'}{(model.size or '4B').lower()}"


def write(draft: Draft) -> None:
    """Commands, options, folders, prompts."""
    name, dataset = f"{draft.name}.toml", f"{draft.name}-dataset.toml"
    options, plan = draft.sheet(name, "toml"), draft.plan
    options.put("model_version", version(draft), "model")
    options.put("dit", known.single_file(draft), "model_file")
    options.put("vae", known.vae_file(draft), "vae_file")
    options.put("text_encoder", known.encoder_file(draft), "text_encoder_file")
    options.put("sdpa", True)
    kohya.network(draft, options, "networks.lora_flux_2")
    omitted = targets.left_out(plan)
    if omitted:
        patterns = ", ".join(rf"r'.*\.{part.replace('.', chr(92) + '.')}'" for part in omitted)
        options.put("network_args", [f"exclude_patterns=[{patterns}]"], "network.targets")
    kohya.optimizer(draft, options, OPTIMIZERS)
    kohya.length(draft, options)
    kohya.precision(draft, options)
    _precision(draft, options)
    _noise(draft, options)
    kohya.saving(draft, options)
    kohya.previews(draft, options, "g")
    options.put("dataset_config", draft.reference(dataset))
    _folders(draft, draft.sheet(dataset, "toml"))
    kohya.unsaid(draft)
    draft.starter(_commands(draft, options, name, dataset))


def _precision(draft: Draft, options: Sheet) -> None:
    precision = draft.plan.precision
    if precision.base.value in ("fp8", "int8", "int4", "nf4"):
        options.put("fp8_base", True, "precision.base")
        options.put("fp8_scaled", True, "precision.base")
    if precision.text_encoder.value in ("fp8", "int8") and draft.plan.model.family != "flux2-dev":
        options.put("fp8_text_encoder", True, "precision.text_encoder")
    vae = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}.get(precision.vae.value or "")
    options.put("vae_dtype", vae, "precision.vae")
    options.put("blocks_to_swap", precision.blocks_to_swap.value or None, "precision.blocks_to_swap")


def _noise(draft: Draft, options: Sheet) -> None:
    times = draft.plan.timesteps
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
    options.put("weighting_scheme", "none", "timesteps.weighting")


def _folders(draft: Draft, sheet: Sheet) -> None:
    """Every entry has a cache folder of its own: training takes whatever lies in it."""
    plan = draft.plan
    output = plan.saving.folder.value or f"output/{draft.name}"
    sheet.put("general.batch_size", plan.batch_size.value, "batch_size")
    for index, data in enumerate(plan.datasets):
        at, entry = f"datasets.{index}", sheet.under(f"datasets.{index}")
        entry.put("image_directory", data.folder.value, f"{at}.folder")
        entry.put("cache_directory", f"{output}/cache-{index}")
        entry.put("control_directory", words.single_control(draft, index, data), f"{at}.control")
        entry.put("caption_extension", data.caption_extension.value or ".txt", f"{at}.caption_extension")
        edge = words.single(draft, index, data) or 1024
        entry.put("resolution", [edge, edge], f"{at}.resolution")
        buckets = data.buckets.value is not False
        entry.put("enable_bucket", buckets, f"{at}.buckets")
        entry.put("bucket_no_upscale", True if buckets else None, why="small images keep their size" if buckets else "")
        entry.put("num_repeats", words.whole(draft, f"{at}.repeats", data.repeats.value), f"{at}.repeats")
        absent = {
            "masks": "does not exist: the whole image is learned",
            "shuffle_tags": "does not exist",
            "caption_dropout": "does not exist: every step sees its caption",
            "regularisation": "does not exist: these images train like the others",
            "prompt": "does not exist: write it into a caption file beside each image",
        }
        for field, sentence in absent.items():
            if getattr(data, field).value:
                draft.cannot(f"{at}.{field}", sentence)


def _commands(draft: Draft, options: Sheet, name: str, dataset: str) -> str:
    """Latents, texts, training: each on one line."""
    values = {each.path[0]: each.value for each in options.values}
    data, folder = ["--dataset_config", draft.reference(dataset)], "src/musubi_tuner/flux_2"
    model = ["--model_version", str(values["model_version"])]
    latents = ["python", f"{folder}_cache_latents.py", *data, *_option("vae", values), *model]
    fp8 = ["--fp8_text_encoder"] if values.get("fp8_text_encoder") else []
    texts = ["python", f"{folder}_cache_text_encoder_outputs.py", *data, *_option("text_encoder", values), *model, *fp8]
    processes = str(draft.plan.processes.value or 1)
    launch = ["accelerate", "launch", "--num_cpu_threads_per_process", "1", "--num_processes", processes]
    train = [*launch, "--mixed_precision", str(values["mixed_precision"]), f"{folder}_train_network.py"]
    where = "start it in musubi-tuner's folder"
    commands = [draft.command(latents, where=where), draft.command(texts)]
    return "".join([*commands, draft.command([*train, "--config_file", draft.reference(name)])])


def _option(key: str, values: dict[str | int, object]) -> list[str]:
    return [f"--{key}", str(values[key])] if values.get(key) else []
