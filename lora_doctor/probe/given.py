"""Encoders that the user has: what a folder holds, from its config and the headers of its weights; nothing is loaded.

A folder that is wrong or half there is told in one sentence before any work begins. Nothing is ever fetched, and no
pickle is read.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, NamedTuple

from lora_doctor.models.header import Header, HeaderError, read_header
from lora_doctor.source.document import SourceError

DINO = ("dinov2", "dinov2_with_registers", "dinov3_vit", "dinov3_convnext", "vit")  # `vit`: the first DINO's
CLIP = ("clip", "siglip", "siglip2")
POSE = ("vitpose",)
TOKENIZERS = ("tokenizer.json", "vocab.json", "spiece.model", "tokenizer.model")
LARGEST = 4_000_000_000  # bytes of a TorchScript file; SSCD's largest has 180 MB


class Given(NamedTuple):
    """A model on this machine. kind: its `model_type`, `torchscript` for SSCD's file."""

    option: str
    path: Path
    kind: str
    config: dict[str, Any]


def dino(path: Path) -> Given:
    """A folder of DINO.

    Raises:
        SourceError: it is none, or not whole; as all functions here.
    """
    return _folder("--dino", path, DINO, "a DINO (facebook/dinov2-base)", ("preprocessor_config.json",))


def clip(path: Path) -> Given:
    """A folder of CLIP or SigLIP, both halves."""
    found = _folder("--clip", path, CLIP, "a CLIP or SigLIP", ("preprocessor_config.json",))
    if not any((path / name).is_file() for name in TOKENIZERS):
        raise SourceError(f"--clip {path}: has no tokenizer (tokenizer.json): get the whole folder")
    return found


def detector(path: Path) -> Given:
    """A folder of an object detector, or of ViTPose."""
    found = _folder("--detector", path, (), "a detector", ())
    names = [str(each) for each in found.config.get("architectures") or ()]
    if found.kind not in POSE and not any(name.endswith("ForObjectDetection") for name in names):
        told = names[0] if names else found.kind
        raise SourceError(
            f"--detector {path}: is a {told}; a model for object detection (DETR, RT-DETR, YOLOS) or ViTPose is needed"
        )
    if found.kind not in POSE and not (path / "preprocessor_config.json").is_file():
        raise SourceError(f"--detector {path}: has no preprocessor_config.json: get the whole folder")
    return found


def sscd(path: Path) -> Given:
    """SSCD's published TorchScript file."""
    if not path.is_file():
        raise SourceError(f"--sscd {path}: {'is a folder' if path.is_dir() else 'is not there'}; {_SSCD}")
    try:
        names = zipfile.ZipFile(path).namelist() if path.stat().st_size <= LARGEST else []
    except (OSError, zipfile.BadZipFile):
        raise SourceError(f"--sscd {path}: is no TorchScript file, or only a part of one; {_SSCD}") from None
    if not any("/code/" in name for name in names):
        raise SourceError(f"--sscd {path}: holds weights without their program; {_SSCD}")
    return Given("--sscd", path, "torchscript", {})


_SSCD = "give the file that ends in .torchscript.pt (sscd_disc_mixup)"


def _folder(option: str, path: Path, kinds: tuple[str, ...], what: str, needs: tuple[str, ...]) -> Given:
    if not path.is_dir():
        raise SourceError(f"{option} {path}: {'is a file, not a folder' if path.is_file() else 'is not there'}")
    try:
        header = read_header(path)
    except HeaderError as problem:
        raise SourceError(f"{option} {path}: {problem}") from None
    config = header.configs.get("config.json")
    kind = str((config or {}).get("model_type") or "")
    if config is None or not kind:
        raise SourceError(f"{option} {path}: has no config.json that names a model: give the folder of {what}")
    if kinds and kind not in kinds:
        raise SourceError(f"{option} {path}: is a `{kind}`; {what} is needed (model_type {', '.join(kinds)})")
    _whole(option, path, header)
    for name in needs:
        if not (path / name).is_file():
            raise SourceError(f"{option} {path}: has no {name}: get the whole folder")
    return Given(option, path, kind, config)


def _whole(option: str, path: Path, header: Header) -> None:
    if header.missing:
        more = f" and {len(header.missing) - 1} more" if len(header.missing) > 1 else ""
        raise SourceError(
            f"{option} {path}: {header.missing[0]}{more} of its weights is not there: get the whole folder"
        )
    if not header.tensors:
        pickled = any(path.glob("*.bin"))
        why = "its weights are a pickle (.bin), which is never unpickled: get model.safetensors" if pickled else (
            "has no weights (model.safetensors)"
        )  # fmt: skip
        raise SourceError(f"{option} {path}: {why}")
