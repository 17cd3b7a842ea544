"""The base model on this machine: a folder in diffusers' layout. Nothing is fetched."""

from __future__ import annotations

import os
import re
from pathlib import Path

from lora_doctor.lab import micro_klein
from lora_doctor.models.identify import identify
from lora_doctor.plan import UNKNOWN, Plan
from lora_doctor.source.document import SourceError
from lora_doctor.train.data import where
from lora_doctor.train.job import Model

MICRO = "lora_doctor.json"  # beside model_index.json in a micro model: what no other file of the folder says
TRAINED = {"flux2-klein": "FLUX.2 Klein", "sana": "SANA", "sdxl": "SDXL"}
_HUB = re.compile(r"[\w.-]+/[\w.-]+")


def model_of(plan: Plan, told: str | None, reason: str = "") -> Model:
    """The model a plan names, or the one that was told instead of it, with where it was.

    Raises:
        SourceError: it is not here, is no diffusers folder, or of a family that is not trained.
    """
    reference = told or plan.model.setting.value
    try:
        path = folder_of(reference)
    except SourceError as problem:
        raise SourceError(f"{problem} ({reason or where(plan.model.setting)})") from None
    found = identify(str(path))
    declared = UNKNOWN if told else plan.model.declared
    family, size = found.family or declared.family, found.size or declared.size
    if family not in TRAINED:
        what = f"is {family}" if family else f"is no model lora-doctor knows ({found.evidence})"
        raise SourceError(f"{path} {what}; train knows {', '.join(TRAINED.values())}")
    if declared.family not in (None, family):
        raise SourceError(f"{path} is {family}, and the config says {declared.family}: correct one of them")
    return Model(path, family, size)


def folder_of(reference: str | None) -> Path:
    """The diffusers folder that a path or a hub id means on this machine.

    Raises:
        SourceError: there is none.
    """
    if not reference:
        return micro_klein()
    path = Path(os.path.expandvars(reference)).expanduser()
    if path.is_file():
        raise SourceError(_single(reference, path))
    if not path.is_dir() and _HUB.fullmatch(reference):
        path = _cached(reference) or path
    if not path.is_dir():
        asked = f", and nothing is fetched unasked: `hf download {reference}`" if _HUB.fullmatch(reference) else ""
        raise SourceError(f"the model {reference} is not on this machine{asked}, or --model FOLDER names it elsewhere")
    if not (path / "model_index.json").is_file():
        raise SourceError(f"the model folder {reference} has no model_index.json: it is not in diffusers' layout")
    return path.absolute()


def _single(reference: str, path: Path) -> str:
    """What to do with a single file."""
    family = identify(str(path)).family
    if family == "flux2-klein":
        return (
            f"{reference} is a single file with Klein's transformer alone: `model.path` names a folder in diffusers' "
            "layout, which has the text encoder and the VAE too, and `model.transformer` names this file"
        )
    how = ": StableDiffusionXLPipeline.from_single_file(FILE).save_pretrained(FOLDER) of diffusers writes one"
    return (
        f"{reference} is a single file; train loads a folder in diffusers' layout, with model_index.json"
        f"{how if family == 'sdxl' else ''}, --model FOLDER names it"
    )


def _cached(name: str) -> Path | None:
    """A hub repository as the hub's own cache holds it, the commit that `main` meant when it was fetched last."""
    home = os.environ.get("HF_HUB_CACHE") or os.path.join(
        os.environ.get("HF_HOME") or os.path.expanduser("~/.cache/huggingface"), "hub"
    )
    repository = Path(home) / f"models--{name.replace('/', '--')}"
    try:
        commit = (repository / "refs" / "main").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    path = repository / "snapshots" / commit
    return path if path.is_dir() else None
