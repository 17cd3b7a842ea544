"""A pipeline folder becomes `Models`: number formats, where each part lies, what is recomputed or swapped.

Weights are read by diffusers from safetensors files on this machine; nothing is fetched. What can be seen to fail is
said before, by `lora_doctor.train.preflight`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import torch

from lora_doctor.train import beneath, families
from lora_doctor.train.adapters import components
from lora_doctor.train.families import Family, Models
from lora_doctor.train.job import Job, Memory, Model, Precision, Timesteps, Training
from lora_doctor.train.layer import quicken
from lora_doctor.train.storage import store_as, swap_blocks
from lora_doctor.train.targets import UnfitError

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32, "fp8": torch.float8_e4m3fn}
QUANTISED = ("int8", "nf4")
_VARIANT = re.compile(r"\.(fp16|bf16)[.-]")


def load(job: Job, device: torch.device | str) -> tuple[Family, Models]:
    """The base model of a job, frozen, with the denoiser on `device`.

    Everything computes in `precision.compute`, as the pipeline does when it is loaded in that format: autocast would
    not (SANA's linear attention overflows under it). The VAE is always in fp32: SDXL's overflows in fp16, and Klein's
    statistics lose digits in bf16.
    """
    family = families.family_named(job.model.family, str(job.model.path))
    _check_quantised(job.precision)
    pipeline = _pipeline(job, family)
    pipeline.set_progress_bar_config(disable=True)
    if job.edits:
        family.widen(pipeline)
    device, compute = torch.device(device), DTYPES[job.precision.compute]
    models = family.assemble(pipeline, job.timesteps, families.micro_of(job.model.path))
    for part in (models.denoiser, models.vae, *models.text_encoders):
        part.requires_grad_(False).eval()
    notes = _beneath(job, family, models, compute)
    _store(models.denoiser, job.precision.base, compute)
    for encoder in models.text_encoders:
        _store(encoder, job.precision.text_encoder, _for_encoders(compute))
    _place(models, job, device)
    for part in (models.denoiser, *models.text_encoders):
        quicken(part)
    return family, models._replace(device=device, dtype=compute, notes=notes)


def _beneath(job: Job, family: Family, models: Models, compute: torch.dtype) -> tuple[str, ...]:
    """LoRAs that lie under the trained one, while the base is still in the format it was read in."""
    if not job.adapter.beneath:
        return ()
    parts = components(family, models, encoders=True)
    formats = dict.fromkeys(parts, DTYPES.get(job.precision.text_encoder, compute))
    formats[family.DENOISER] = DTYPES.get(job.precision.base, compute)
    return beneath.put(parts, job.adapter, formats, compute)


def quieten() -> None:
    """No progress bars of loaders between our lines; their errors are raised all the same."""
    import diffusers
    import transformers

    for logging in (diffusers.utils.logging, transformers.utils.logging):
        logging.disable_progress_bar()
        logging.set_verbosity_error()


def load_folder(
    folder: Path, device: torch.device | str = "cpu", dtype: str = "fp32", timesteps: Timesteps | None = None
) -> tuple[Family, Models]:
    """A pipeline folder in one number format, without a job: for probes and diagnoses."""
    model = Model(folder, families.family_of(folder).ID)
    precision = Precision(compute=dtype, base=dtype, text_encoder=dtype)
    memory = Memory(gradient_checkpointing=False)
    job = Job(Path(), model, (), Training(0), precision=precision, memory=memory, timesteps=timesteps or Timesteps())
    return load(job, device)


def _pipeline(job: Job, family: Family) -> Any:
    from diffusers import DiffusionPipeline

    compute, precision = DTYPES[job.precision.compute], job.precision
    encoders = _read_as(precision.text_encoder, _for_encoders(compute))
    return DiffusionPipeline.from_pretrained(
        job.model.path,
        dtype={"vae": torch.float32, family.DENOISER: _read_as(precision.base, compute), "default": encoders},
        local_files_only=True,
        variant=_variant(job.model.path),
        quantization_config=_quantisation(precision, family, compute),
        **_replaced(job.model, encoders, _read_as(precision.base, compute)),
    )


def _variant(folder: Path) -> str | None:
    """`fp16` or `bf16`, where a part's weights lie there only under names with this word."""
    for part in ("unet", "transformer", "vae", "text_encoder", "text_encoder_2"):
        words = {_VARIANT.search(path.name) for path in (folder / part).glob("*.safetensors")}
        found = [word[1] for word in words if word]
        if found and None not in words:
            return found[0]
    return None


def _read_as(stored: str, compute: torch.dtype) -> torch.dtype:
    """Formats of 8 bits and fewer are made from the format that computes."""
    return compute if stored in (*QUANTISED, "fp8") else DTYPES[stored]


def _for_encoders(compute: torch.dtype) -> torch.dtype:
    """Gemma 2 and Qwen3 overflow in fp16."""
    return torch.bfloat16 if compute == torch.float16 else compute


def _replaced(model: Model, encoders: torch.dtype, base: torch.dtype) -> dict[str, Any]:
    """Parts that come from elsewhere, of the class that the folder's own part has."""
    import diffusers
    import transformers

    index, parts = json.loads((model.path / "model_index.json").read_text(encoding="utf-8")), {}
    if model.transformer:
        parts["transformer"] = getattr(diffusers, index["transformer"][1]).from_single_file(
            str(model.transformer),
            config=str(model.path),
            subfolder="transformer",
            local_files_only=True,
            torch_dtype=base,
        )
    if model.text_encoder:
        kind = getattr(transformers, index["text_encoder"][1])
        parts["text_encoder"] = kind.from_pretrained(model.text_encoder, dtype=encoders, local_files_only=True)
    if model.vae:
        kind = getattr(diffusers, index["vae"][1])
        parts["vae"] = kind.from_pretrained(model.vae, dtype=torch.float32, local_files_only=True)
    return parts


def _quantisation(precision: Precision, family: Family, compute: torch.dtype) -> Any:
    """bitsandbytes for what is stored in int8 or nf4; None where nothing is."""
    mapping = {}
    if precision.base in QUANTISED:
        from diffusers import BitsAndBytesConfig

        mapping[family.DENOISER] = BitsAndBytesConfig(**_bits(precision.base, compute))
    if precision.text_encoder in QUANTISED:
        from transformers import BitsAndBytesConfig as EncoderConfig

        names = ("text_encoder", "text_encoder_2")[: 2 if family.ID == "sdxl" else 1]
        mapping |= {name: EncoderConfig(**_bits(precision.text_encoder, compute)) for name in names}
    if not mapping:
        return None
    from diffusers import PipelineQuantizationConfig

    return PipelineQuantizationConfig(quant_mapping=mapping)


def _check_quantised(precision: Precision) -> None:
    """diffusers' and transformers' bitsandbytes loaders refuse to work without a GPU (diffusers 0.42, bnb_quantizer).

    Raises:
        UnfitError: there is none.
    """
    for key in ("base", "text_encoder"):
        stored = getattr(precision, key)
        if stored in QUANTISED and not torch.cuda.is_available():
            raise UnfitError(f"precision.{key}", f"{stored} weights are read on a GPU, and there is none: fp8 or bf16")


def _bits(stored: str, compute: torch.dtype) -> dict[str, Any]:
    if stored == "int8":
        return {"load_in_8bit": True}
    return {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": compute}


def _store(module: Any, stored: str, compute: torch.dtype) -> None:
    """Keep weights in another format than they compute in, where that is asked."""
    if stored not in QUANTISED and DTYPES[stored] != compute:
        store_as(module, DTYPES[stored], compute)


def _place(models: Models, job: Job, device: torch.device) -> None:
    """Encoders and VAE come to the device when they are used, or stay there; encoders that are trained stay."""
    memory, others = job.memory, torch.device("cpu") if job.memory.offload else device
    _to(models.vae, others)
    for encoder in models.text_encoders:
        _to(encoder, device if job.adapter.text_encoder else others)
    if memory.gradient_checkpointing:
        models.denoiser.enable_gradient_checkpointing()
    if job.parted:
        return  # it comes to the devices part by part: `together.parted`
    if memory.blocks_to_swap:
        swap_blocks(models.denoiser, memory.blocks_to_swap, device)
    else:
        _to(models.denoiser, device)


def _to(module: Any, device: torch.device) -> None:
    if not getattr(module, "is_loaded_in_8bit", False) and not getattr(module, "is_loaded_in_4bit", False):
        module.to(device)
