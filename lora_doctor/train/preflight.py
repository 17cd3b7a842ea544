"""What is known before any weight is loaded: the folder is whole, its parts fit, the job's settings can be honoured.

Reads `model_index.json`, the parts' `config.json` and the headers of safetensors files. No torch. Each check raises
`UnfitError`, which names the key of the config.
"""

from __future__ import annotations

import importlib.util
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lora_doctor.models.families import ENCODERS, FAMILIES
from lora_doctor.models.header import Header, HeaderError, read_header
from lora_doctor.models.identify import identify_header
from lora_doctor.models.modules import Coverage, adapter_size
from lora_doctor.train import companions, sound
from lora_doctor.train.families import micro_of
from lora_doctor.train.growth import phases
from lora_doctor.train.job import BYTES, STATES, Job, Model, Precision
from lora_doctor.train.targets import UnfitError, layers_of, reach

# Pipelines of these families whose mathematics is another: distilled by consistency (Sprint), or with more inputs.
OTHERS = ("Sprint", "ControlNet", "Inpaint", "InstructPix2Pix", "Video", "KV")
LAYERS, TOKENS = (9, 18, 27), 512  # Klein's encoder layers, where no micro model says otherwise
DENOISERS = {"flux2-klein": "transformer", "sana": "transformer", "sdxl": "unet"}


class Preflight(NamedTuple):
    """What is about to be trained. `coverage`: what the adapter reaches of the denoiser, which has so many `weights`.

    `divisor`: image sides must be multiples of it, in pixels.
    """

    coverage: Coverage
    weights: int
    divisor: int


def preflight(job: Job) -> Preflight:
    """Check a job against its model's folder.

    Raises:
        UnfitError: something is missing, doesn't fit or can't be honoured; the key, and where it got its value.
    """
    try:
        return _checked(job)
    except UnfitError as problem:
        own = "buckets.resolution" if problem.key.endswith(".resolution") else problem.key
        raise UnfitError(problem.key, problem.why, job.reasons.get(own, "")) from problem.__cause__


def _checked(job: Job) -> Preflight:
    sound.check(job)
    _check_output(job)
    folder = _read("model.path", job.model.path)
    _check_pipeline(job, folder)
    parts = _parts(job, folder)
    denoiser = parts[DENOISERS[job.model.family]]
    _check_widths(job, parts)
    _check_file(job, denoiser)
    divisor = divisor_of(job.model.family, {name: _config(part) for name, part in parts.items()})
    _check_sizes(job, divisor)
    _check_formats(job, _blocks(_config(denoiser)))
    _check_edits(job)
    _check_timesteps(job, folder.configs.get("scheduler/scheduler_config.json", {}))
    _check_adapter(job)
    _check_keeping(job)
    shapes = {name: info.shape for name, info in denoiser.tensors.items()}
    coverage = reach(layers_of(shapes), job.adapter)
    _check_room(job, adapter_size(coverage.modules, job.adapter.rank).parameters)
    return Preflight(coverage, sum(map(math.prod, shapes.values())), divisor)


def _check_output(job: Job) -> None:
    """Samples in a folder of images would be trained on at the next start."""
    output = job.output.absolute()
    for data in job.data:
        folders = [data.folder, *data.control, *([data.masks] if data.masks else [])]
        inside = next((each for each in folders if each.absolute() in (output, *output.parents)), None)
        if inside is not None:
            where = "is" if inside.absolute() == output else "lies in"
            why = f"{job.output} {where} the image folder {inside}"
            why += ": its samples would be trained on at the next start"
            raise UnfitError("output", f"{why}; give another --output")


def _check_room(job: Job, parameters: int) -> None:
    """The disk has room for one checkpoint: its LoRA, and what resuming needs of every weight."""
    each = BYTES[job.precision.save] + BYTES[job.precision.adapter] + STATES[job.optimizer.name] + 4 * job.optimizer.ema
    folder = next(each for each in (job.output, *job.output.parents) if each.exists())
    free, needed = shutil.disk_usage(folder).free, parameters * each
    if free < needed:
        why = f"a checkpoint takes {needed / 1e6:,.1f} MB, and the disk of {folder} has {free / 1e6:,.1f} MB left"
        raise UnfitError("output", f"{why}: make room, or give another --output")


def _read(key: str, path: Path) -> Header:
    if not path.exists():
        raise UnfitError(key, f"{path} does not exist")
    try:
        found = read_header(path)
    except HeaderError as problem:
        raise UnfitError(key, f"{path}: {problem}") from problem
    if found.missing:
        raise UnfitError(key, f"{path} lacks {len(found.missing)} of its files, {found.missing[0]} among them")
    return found


def _check_pipeline(job: Job, folder: Header) -> None:
    model = job.model
    if folder.kind != "diffusers":
        raise UnfitError("model.path", f"{model.path} has no model_index.json: it is no folder in diffusers' layout")
    name = str(folder.configs["model_index.json"].get("_class_name", ""))
    found = identify_header(folder)
    if model.family not in DENOISERS or found.family != model.family:
        what = f"is {FAMILIES[found.family].title}" if found.family in FAMILIES else f"holds a {name or 'nameless'}"
        raise UnfitError("model.path", f"{model.path} {what}; lora-doctor trains FLUX.2 Klein, SANA and SDXL")
    other = next((word for word in OTHERS if word in name), "refiner" if found.variant == "refiner" else "")
    if other:
        title = FAMILIES[model.family].title
        raise UnfitError("model.path", f"{model.path} holds {name} ({other}), not {title}'s text-to-image pipeline")


def _parts(job: Job, folder: Header) -> dict[str, Header]:
    """The parts that hold weights, each whole, by name; replaced ones from where they are replaced from."""
    index = folder.configs["model_index.json"]
    wanted = [DENOISERS[job.model.family], "vae", "text_encoder", *(["text_encoder_2"] * (job.model.family == "sdxl"))]
    replaced = {"text_encoder": job.model.text_encoder, "vae": job.model.vae}
    if job.model.family == "sdxl" and job.model.text_encoder:
        raise UnfitError("model.text_encoder", "SDXL has two text encoders: replace them in the model's own folder")
    for name in ("scheduler", "tokenizer", *wanted):
        entry = index.get(name)
        if not (isinstance(entry, list) and len(entry) == 2 and all(entry)):
            raise UnfitError("model.path", f"{job.model.path / 'model_index.json'} names no {name}")
        if not (job.model.path / name).is_dir() and not replaced.get(name):
            raise UnfitError("model.path", f"{job.model.path} has no folder {name}, which its model_index.json names")
    own = {name: (f"model.{name}", path) for name, path in replaced.items() if path}
    return {name: _part(*own.get(name, ("model.path", job.model.path / name))) for name in wanted}


def _part(key: str, path: Path) -> Header:
    found = _read(key, path)
    if found.kind != "component":
        raise UnfitError(key, f"{path} has no config.json")
    if not found.tensors:
        pickled = any(path.glob("*.bin"))
        why = "holds its weights as a pickle (.bin), which is never unpickled: save it as safetensors"
        raise UnfitError(key, f"{path} {why if pickled else 'holds no weights (.safetensors)'}")
    return found


def _config(part: Header) -> dict[str, Any]:
    return part.configs["config.json"]


def _number(config: Mapping[str, Any], key: str) -> int:
    value = config.get(key)
    return value if type(value) is int else 0


def _check_widths(job: Job, parts: Mapping[str, Header]) -> None:
    """The text encoder makes what the denoiser takes, and so does the VAE."""
    denoiser = _config(parts[DENOISERS[job.model.family]])
    made, taken = _text_width(job.model, parts), _number(denoiser, _TEXT_WIDTH[job.model.family])
    key = "model.text_encoder" if job.model.text_encoder else "model.path"
    if made != taken:
        raise UnfitError(key, f"{_named(parts['text_encoder'])} makes prompts {made} wide, {_takes(job, taken)}")
    channels = _number(_config(parts["vae"]), "latent_channels") * (4 if job.model.family == "flux2-klein" else 1)
    if channels != _number(denoiser, "in_channels"):
        key = "model.vae" if job.model.vae else "model.path"
        inputs = _number(denoiser, "in_channels")
        raise UnfitError(key, f"the VAE makes {channels} channels of latents, the denoiser takes {inputs}")


def _check_file(job: Job, denoiser: Header) -> None:
    """A single file holds a transformer of the folder's own kind and size, in a format that can be trained on."""
    if job.model.transformer is None:
        return
    key, path = "model.transformer", job.model.transformer
    if job.model.family != "flux2-klein":
        title = FAMILIES[job.model.family].title
        raise UnfitError(key, f"single files are read for FLUX.2 Klein; {title} needs the folder alone (`model.path`)")
    found = _read(key, path)
    scaled = next((name for name in found.tensors if name.endswith(("scale_weight", "weight_scale", "scaled_fp8"))), "")
    if scaled:
        raise UnfitError(key, f"{path} is quantised ({scaled}): take the bf16 file, `precision.base` stores it smaller")
    counts = [sum(math.prod(t.shape) for t in each.tensors.values()) for each in (found, denoiser)]
    if counts[0] != counts[1]:
        raise UnfitError(key, f"{path} holds {counts[0]:,} weights, the transformer of {job.model.path} {counts[1]:,}")
    if job.precision.base in ("int8", "nf4"):
        raise UnfitError("precision.base", f"a single file can't be loaded as {job.precision.base}: fp8 can")


_TEXT_WIDTH = {"flux2-klein": "joint_attention_dim", "sana": "caption_channels", "sdxl": "cross_attention_dim"}


def _text_width(model: Model, parts: Mapping[str, Header]) -> int:
    """Width of a prompt's states: of one layer, of Klein's three side by side, of SDXL's two encoders side by side."""
    encoder = _config(parts["text_encoder"])
    if model.family == "sdxl":
        return _number(encoder, "hidden_size") + _number(_config(parts["text_encoder_2"]), "hidden_size")
    if model.family == "sana":
        return _number(encoder, "hidden_size")
    layers = micro_of(model.path).get("text_encoder_out_layers", LAYERS)
    depth = _number(encoder, "num_hidden_layers")
    if depth < max(layers):
        key = "model.text_encoder" if model.text_encoder else "model.path"
        raise UnfitError(key, f"the text encoder has {depth} layers, Klein reads layer {max(layers)}")
    return len(layers) * _number(encoder, "hidden_size")


def _named(encoder: Header) -> str:
    known = ENCODERS.get(identify_header(encoder).encoder or "")
    return f"the text encoder {known.title}" if known else "the text encoder"


def _takes(job: Job, taken: int) -> str:
    family = FAMILIES[job.model.family]
    size = next((s for s in family.sizes if s.context == taken), None)
    if size is None:
        return f"the denoiser takes {taken}"
    title = " ".join(filter(None, (family.title, size.name)))
    needed = " and ".join(ENCODERS[name].title for name in size.encoders)
    return f"{title} takes {taken}: it needs {needed}"


def divisor_of(family: str, configs: Mapping[str, Mapping[str, Any]]) -> int:
    """Pixels that image sides must be multiples of: the VAE's factor times what the denoiser folds together."""
    vae = configs["vae"]
    levels = len(vae.get("block_out_channels") or vae.get("encoder_block_out_channels") or ())
    factor: int = 1 << max(levels - 1, 0)
    if family == "sdxl":
        return factor << max(len(configs["unet"].get("down_block_types", ())) - 1, 0)
    return factor * (2 if family == "flux2-klein" else _number(configs["transformer"], "patch_size") or 1)


def _check_sizes(job: Job, divisor: int) -> None:
    for phase in phases(job)[:-1]:
        if phase.edge % divisor:
            raise UnfitError("growth.resolution", _indivisible(phase.edge, divisor))
    for i, data in enumerate(job.data):
        for edge in data.resolution:
            if edge % divisor:
                raise UnfitError(f"data.{i}.resolution", _indivisible(edge, divisor))
    step = max(divisor, 32) if job.model.family == "sana" else divisor  # SanaPipeline refuses other sizes
    for edge in job.validation.size or ():
        if edge % step:
            raise UnfitError("validation.size", _indivisible(edge, step))


def _indivisible(edge: int, divisor: int) -> str:
    below = edge // divisor * divisor
    return f"{edge} px is no multiple of {divisor}, which this model needs: {below or divisor} or {below + divisor}"


def _blocks(denoiser: Mapping[str, Any]) -> int:
    """Transformer blocks; of a UNet, those in its down, middle and up blocks."""
    if "down_block_types" not in denoiser:
        return _number(denoiser, "num_layers") + _number(denoiser, "num_single_layers")
    levels = len(denoiser["down_block_types"])
    depths = denoiser.get("transformer_layers_per_block", 1)
    depths = depths if isinstance(depths, list) else [depths] * levels
    per, down, up = _number(denoiser, "layers_per_block"), denoiser["down_block_types"], denoiser["up_block_types"]
    total: int = sum(per * depth for depth, kind in zip(depths, down) if "CrossAttn" in kind)
    total += sum((per + 1) * depth for depth, kind in zip(reversed(depths), up) if "CrossAttn" in kind)
    return total + int(depths[-1])


def _check_formats(job: Job, blocks: int) -> None:
    precision, memory = job.precision, job.memory
    for key in ("base", "text_encoder"):
        stored = getattr(precision, key)
        if stored in ("int8", "nf4") and importlib.util.find_spec("bitsandbytes") is None:
            raise UnfitError(f"precision.{key}", f"{stored} needs bitsandbytes: pip install bitsandbytes, or fp8")
    recomputed = memory.gradient_checkpointing
    if precision.base == "fp8" and not recomputed:
        raise UnfitError("precision.base", f"fp8 saves nothing without recomputation: {_CHECKPOINTING}")
    if memory.blocks_to_swap and not recomputed:
        raise UnfitError("memory.blocks_to_swap", f"swapping saves nothing without recomputation: {_CHECKPOINTING}")
    if memory.blocks_to_swap and precision.base in ("int8", "nf4"):
        raise UnfitError("memory.blocks_to_swap", f"{precision.base} weights can't be swapped: fp8 can")
    if memory.blocks_to_swap > blocks:
        raise UnfitError("memory.blocks_to_swap", f"{memory.blocks_to_swap}, and the model has {blocks} blocks")
    others = {"blocks_to_swap": memory.blocks_to_swap, "compile": memory.compile}
    both = next((f"`memory.{name}`" for name, value in others.items() if value), None)
    if job.sharded and (both or precision.base in ("int8", "nf4")):
        raise UnfitError("memory.shard", f"does not go together with {both or f'{precision.base} weights'}")
    _check_stages(job, both, blocks)
    _check_encoders(job, precision)


def _check_stages(job: Job, both: str | None, blocks: int) -> None:
    """The denoiser can be cut into consecutive stages, and there is a process for each."""
    key, stages, processes = "memory.pipeline_stages", job.memory.pipeline_stages, job.training.processes
    if stages == 1:
        return
    if job.model.family == "sdxl":
        why = "what the first blocks of SDXL's UNet make goes to its last ones too, past every cut: `memory.shard`"
        raise UnfitError(key, f"{why} leaves each card a part of it")
    if stages > blocks:
        raise UnfitError(key, f"{stages}, and the model has {blocks} blocks")
    if processes % stages:
        raise UnfitError(key, f"{stages} stages of one process each, and {processes} processes: --num-processes "
                              f"{max(1, processes // stages) * stages}")  # fmt: skip
    quantised = job.precision.base if job.precision.base in ("int8", "nf4") else ""
    against = both or ("`memory.shard`" if job.memory.shard else quantised and f"{quantised} weights")
    if not against and job.adapter.text_encoder:
        against = "a text encoder that is trained: its gradient would have to come back from every stage"
    if not against and job.adapter.min_rank:
        against = "a rank by noise level"
    if against:
        raise UnfitError(key, f"does not go together with {against}")


_CHECKPOINTING = "`memory.gradient_checkpointing = true`"


def _check_encoders(job: Job, precision: Precision) -> None:
    if not job.adapter.text_encoder:
        return
    if job.model.family != "sdxl" and job.adapter.kind in ("lokr", "loha"):
        title = FAMILIES[job.model.family].title
        raise UnfitError("adapter.text_encoder", f"nothing loads a text encoder's {job.adapter.kind} for {title}")
    if precision.text_encoder in ("fp8", "int8", "nf4"):
        raise UnfitError("precision.text_encoder", f"{precision.text_encoder} text encoders can't be trained: bf16")


def _check_edits(job: Job) -> None:
    """Control images can be shown to this model, and as many as there are."""
    place = next((f"data.{i}.control" for i, data in enumerate(job.data) if data.control), "")
    if not place:
        return
    family, title = job.model.family, FAMILIES[job.model.family].title
    if family == "sana":
        why = f"{title} has no pipeline that edits images, and no input for them: train FLUX.2 Klein or SDXL on pairs"
        raise UnfitError(place, why)
    if family == "flux2-klein" and job.edit.control_dropout:
        why = "FLUX.2 Klein's pipeline shows the control images on both sides of its guidance: they are never left out"
        raise UnfitError("edit.control_dropout", why)
    if family == "sdxl" and any(len(data.control) > 1 for data in job.data):
        raise UnfitError(place, f"{title} is shown one control image, InstructPix2Pix's: FLUX.2 Klein takes several")
    if family == "sdxl" and job.adapter.kind in ("lokr", "loha"):
        why = f"a {job.adapter.kind} can't hold the new weights of SDXL's first layer, through which the image comes"
        raise UnfitError("adapter.kind", f"{why}: lora or dora")


def _check_timesteps(job: Job, scheduler: Mapping[str, Any]) -> None:
    wanted, title = job.timesteps, FAMILIES[job.model.family].title
    if job.model.family != "sdxl":
        for key in ("prediction", "zero_terminal_snr", "min_snr_gamma"):
            if getattr(wanted, key):
                raise UnfitError(f"timesteps.{key}", f"{title} is trained by flow matching, which has no such setting")
        return
    predicts = wanted.prediction or {"v_prediction": "v"}.get(str(scheduler.get("prediction_type")), "epsilon")
    if wanted.zero_terminal_snr and predicts != "v":
        why = 'at zero SNR the noise says nothing of the image: it needs `timesteps.prediction = "v"`'
        raise UnfitError("timesteps.zero_terminal_snr", f"this model predicts {predicts}; {why}")


def _check_keeping(job: Job) -> None:
    keeping = job.keeping
    if (keeping.prior_weight or keeping.output_weight) and job.adapter.text_encoder:
        raise UnfitError("keeping", "the base's answers are to prompts as its own text encoder encodes them")
    if keeping.prior_weight and not keeping.prior_prompts:
        raise UnfitError("keeping.prior_weight", "what is kept? name prompts in `keeping.prior_prompts`")
    if keeping.output_weight and not (job.captions.trigger and keeping.output_class):
        lacks = "`captions.trigger`" if not job.captions.trigger else "`keeping.output_class`"
        raise UnfitError("keeping.output_weight", f"the class takes the trigger's place in captions: set {lacks}")


def _check_adapter(job: Job) -> None:
    adapter = job.adapter
    if adapter.min_rank and adapter.min_rank > adapter.rank:
        raise UnfitError("adapter.min_rank", f"{adapter.min_rank} is more than `adapter.rank`, {adapter.rank}")
    if adapter.min_rank and (adapter.kind != "lora" or adapter.text_encoder):
        raise UnfitError("adapter.min_rank", "a rank by noise level is for a plain LoRA of the denoiser")
    if adapter.min_rank and job.memory.compile:
        raise UnfitError("adapter.min_rank", "a rank by noise level can't be compiled: `memory.compile = false`")
    if adapter.kind in ("lokr", "loha") and adapter.dropout:
        raise UnfitError("adapter.dropout", f"a {adapter.kind} has no dropout of its inputs")
    if adapter.kind in ("lokr", "loha") and adapter.rslora:
        raise UnfitError("adapter.rslora", f"a {adapter.kind} is scaled by alpha / rank alone")
    if adapter.start_from and not adapter.start_from.exists():
        raise UnfitError("adapter.start_from", f"{adapter.start_from} does not exist")
    if adapter.start_from and adapter.kind in ("lokr", "loha"):
        raise UnfitError("adapter.start_from", f"a {adapter.kind} can't be continued from a file; a LoRA can")
    quantised = job.precision.base in ("int8", "nf4")
    if adapter.merge and quantised:
        raise UnfitError("adapter.merge", f"nothing merges into {job.precision.base} weights: use `adapter.stack_on`")
    companions.check(adapter)
