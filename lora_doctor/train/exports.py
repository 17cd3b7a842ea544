"""Adapters to and from files: what diffusers loads, with the metadata it needs, and from it what other programs load.

Without `lora_adapter_metadata` diffusers takes alpha for equal to the rank, and a LoRA loads at another strength than
it was trained at.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors.torch import load_file
from torch import Tensor

from lora_doctor.adapter.convert import convert
from lora_doctor.adapter.facts import Adapter as File
from lora_doctor.adapter.facts import examine
from lora_doctor.adapter.read import AdapterError
from lora_doctor.adapter.write import Entry, write_file
from lora_doctor.train import companions
from lora_doctor.train.adapters import DTYPES, NAME, components, restore, state
from lora_doctor.train.companions import file_of
from lora_doctor.train.families import Family, Models
from lora_doctor.train.folder import WEIGHTS, write_json
from lora_doctor.train.job import Adapter, Job
from lora_doctor.train.targets import UnfitError

# transformers 5.23 dropped a level of CLIP's first encoder; every loader of files knows it, some know nothing else
_HERE, _IN_FILES = "text_encoder.encoder.", "text_encoder.text_model.encoder."
_DTYPES = {torch.bfloat16: "BF16", torch.float16: "F16", torch.float32: "F32"}
_RECORDED = ("r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora", "use_dora", "lora_bias")


def save(
    family: Family, models: Models, job: Job, folder: Path, metadata: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """Write a checkpoint's LoRA files, under the names of `folder.WEIGHTS`; what to know about them.

    The one for diffusers is always written: the others are made from it, and it is what lora-doctor reads itself.
    """
    path = folder / WEIGHTS["diffusers"]
    metadata = {**(metadata or {}), **companions.metadata(job.adapter)}
    write(family, models, path, dtype=job.precision.save, metadata=metadata)
    if family.ID != "sdxl":  # whose pipeline loads its text encoders' LoRA from the same file
        write_encoders(family, models, folder, job.precision.save)
    notes = [_other(job, path, name, folder / WEIGHTS[name]) for name in job.saving.formats if name != "diffusers"]
    return tuple(note for each in notes for note in each)


def _other(job: Job, path: Path, name: str, output: Path) -> tuple[str, ...]:
    return companions.fold(job.adapter, path, output) if name == "folded" else export(path, name, output)


def write(
    family: Family, models: Models, path: Path, *, dtype: str = "bf16", metadata: Mapping[str, str] | None = None
) -> None:
    """Write the adapter as diffusers loads it, beside `path` and then renamed; an existing file is replaced.

    LoKr and LoHa get LyCORIS' names, with alpha in the file: diffusers loads neither.
    """
    tensors = {_named(key): _plain(value, dtype) for key, value in state(family, models).items()}
    written = {"format": "pt", **(metadata or {})}
    config = next(iter(_configs(family, models).values()))
    if hasattr(config, "lora_alpha"):
        written["lora_adapter_metadata"] = json.dumps(_recorded(family, models), sort_keys=True)
    else:
        tensors |= _alphas(tensors, config)
    write_file(path, _entries(tensors), dict(sorted(written.items())), overwrite=True)


def write_encoders(family: Family, models: Models, folder: Path, dtype: str) -> None:
    """Write text encoders' adapters in PEFT's layout, a folder for each: `pipeline.text_encoder.load_adapter(FOLDER)`.

    The pipelines of FLUX.2 Klein and SANA pass over what the file for diffusers holds of them; transformers loads this.
    """
    for name, config in _configs(family, models).items():
        if name == family.DENOISER or not hasattr(config, "lora_alpha"):
            continue
        begin = f"{name}."
        own = {key.removeprefix(begin): each for key, each in state(family, models).items() if key.startswith(begin)}
        plain = {f"base_model.model.{key}": _plain(each, dtype) for key, each in own.items()}
        (folder / name).mkdir(exist_ok=True)
        write_file(folder / name / "adapter_model.safetensors", _entries(plain), {"format": "pt"}, overwrite=True)
        told = {"peft_type": "LORA", "target_modules": sorted(config.target_modules), "lora_dropout": 0.0}
        told |= {key: getattr(config, key) for key in _RECORDED}
        write_json(folder / name / "adapter_config.json", told)


def _entries(tensors: Mapping[str, Tensor]) -> list[Entry]:
    return [Entry(key, _DTYPES[value.dtype], tuple(value.shape), _bytes(value)) for key, value in tensors.items()]


def _bytes(tensor: Tensor) -> Callable[[], bytes]:
    """safetensors' own writer puts metadata in a different order each time; the same LoRA is the same file here."""
    return lambda: tensor.flatten().view(torch.uint8).numpy().tobytes()


def _named(key: str) -> str:
    return _IN_FILES + key.removeprefix(_HERE) if key.startswith(_HERE) else key


def _unnamed(key: str) -> str:
    return _HERE + key.removeprefix(_IN_FILES) if key.startswith(_IN_FILES) else key


def _plain(tensor: Tensor, dtype: str) -> Tensor:
    return tensor.to("cpu", DTYPES[dtype]).contiguous().clone()


def _configs(family: Family, models: Models) -> dict[str, Any]:
    """PEFT's configs of the components that have an adapter."""
    found = components(family, models, encoders=True)
    return {n: m.peft_config[NAME] for n, m in found.items() if NAME in getattr(m, "peft_config", {})}


def _recorded(family: Family, models: Models) -> dict[str, Any]:
    """What diffusers hands to PEFT's LoraConfig when it loads the file; no more, since older PEFT knows less."""
    recorded: dict[str, Any] = {}
    for component, config in _configs(family, models).items():
        targets = config.target_modules
        recorded[f"{component}.target_modules"] = targets if isinstance(targets, str) else sorted(targets)
        recorded[f"{component}.init_lora_weights"] = True
        recorded |= {f"{component}.{key}": getattr(config, key) for key in _RECORDED}
    return recorded


def _alphas(tensors: dict[str, Tensor], config: Any) -> dict[str, Tensor]:
    """Alpha by layer; where both LoKr matrices are whole, LyCORIS knows no scale: it goes into the first matrix."""
    made = {}
    for layer in {key.rpartition(".")[0] for key in tensors}:
        rank = next((tensors[key].shape[0] for key in _factors(layer) if key in tensors), None)
        alpha = _pattern(config.alpha_pattern, layer, config.alpha)
        if rank is None:
            tensors[f"{layer}.lokr_w1"] *= alpha / _pattern(config.rank_pattern, layer, config.r)
        else:
            made[f"{layer}.alpha"] = torch.tensor(float(alpha))
    return made


def _factors(layer: str) -> tuple[str, ...]:
    return (f"{layer}.lokr_w1_b", f"{layer}.lokr_w2_b", f"{layer}.hada_w1_b")


def _pattern(patterns: Mapping[str, float], layer: str, default: float) -> float:
    from peft.utils.other import get_pattern_key

    return patterns.get(get_pattern_key(list(patterns), layer), default)


def export(path: Path, target: str, output: Path) -> tuple[str, ...]:
    """Write a saved adapter again with another program's names ("comfyui", "kohya"); what to know about it.

    Where this adapter has no such form, nothing is written, and the note says why.
    """
    try:
        return convert(examine(path), target, output, overwrite=True).notes
    except AdapterError as problem:
        return (f"no {target} file: {problem.sentence}",)


def begin_from(family: Family, models: Models, adapter: Adapter) -> str:
    """Continue from the file or folder `adapter.start_from`; says what was taken.

    Raises:
        UnfitError: the file is another kind or rank, or of another model.
    """
    if adapter.start_from is None:
        return "the adapter starts fresh"
    try:
        scales, tensors = as_diffusers(examine(file_of(adapter.start_from)))
    except AdapterError as problem:
        raise UnfitError("adapter.start_from", problem.sentence) from problem
    own = _scales(family, models)
    for key in tensors:
        layer, _, _ = key.partition(".lora_B.")
        if layer in own and layer in scales:
            tensors[key] = tensors[key].float() * (scales[layer] / own[layer])
    restore(family, models, tensors)
    return f"the adapter starts from {adapter.start_from} ({len(scales)} layers)"


def as_diffusers(file: File) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Each layer's scale, and the file's tensors, under diffusers' names (`transformer.<layer>`), whatever it has.

    Raises:
        AdapterError: there is no such form of it.
    """
    if file.format.id == "diffusers" and set(file.format.kinds) == {"lora"}:
        return _read(file)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "diffusers.safetensors"
        convert(file, "diffusers", output)
        return _read(examine(output))


def _read(file: File) -> tuple[dict[str, float], dict[str, Tensor]]:
    stems = [next(iter(layer.tensors.values())).name.partition(".lora_")[0] for layer in file.layers]
    tensors = {_unnamed(key): value for key, value in load_file(file.file.path).items()}
    return {_unnamed(stem): scale for stem, scale in zip(stems, file.scales.trained)}, tensors


def _scales(family: Family, models: Models) -> dict[str, float]:
    """What each layer of the injected adapter is multiplied with."""
    return {
        f"{component}.{name}": layer.scaling[NAME]
        for component, module in components(family, models, encoders=True).items()
        for name, layer in module.named_modules()
        if isinstance(layer, BaseTunerLayer)
    }
