"""Which model a path holds: by its header and configs first, by its name for what those can't say.

The clues themselves stand in `clues_denoiser.py` (transformers, UNets, whole checkpoints), `clues_parts.py` (text
encoders, VAEs) and `clues_config.py` (config files).
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .names import ModelName, identify_name

if TYPE_CHECKING:  # most configs name models that are not on this machine: what reads files loads when one is there
    from .header import Header
    from .tensors import Clue, Tensors


class ModelIdentity(NamedTuple):
    """What a model is, and why.

    The first seven fields are those of `names.ModelName`. layout: "native" (Black Forest Labs, ComfyUI, ldm names),
    "diffusers" or "transformers". evidence: one sentence, which tensor, shape, config or name said so. certainty:
    "certain" (shapes or configs no other known model has), "likely", "ambiguous" (several models fit; the evidence
    names them), or "unknown". problem: what is wrong with the file (unreadable, missing shards, another name).
    weights: how many its header tells of (of a pipeline: its denoiser's); packed ones count as stored.
    """

    role: str = "unknown"
    family: str | None = None
    size: str | None = None
    variant: str | None = None
    precision: str | None = None
    encoder: str | None = None
    vae: str | None = None
    layout: str | None = None
    evidence: str = ""
    certainty: str = "unknown"
    problem: str | None = None
    weights: int | None = None


def identify(text: str, base_dir: Path | str | None = None) -> ModelIdentity:
    """The file or folder that `text` names (relative to `base_dir`), else what the name alone says. Never raises."""
    path = _existing(text, base_dir)
    named = identify_name(text)
    if path is None:
        return _from_name(named)
    from .header import HeaderError

    try:
        seen = identify_path(path)
    except HeaderError as problem:
        by_name = _from_name(named)
        # GGUF is a format of its own, read by its name only
        return by_name if named.precision == "gguf" else by_name._replace(problem=str(problem))
    return _combine(seen, named)


def identify_path(path: Path | str) -> ModelIdentity:
    """Identify a file or folder by header and configs alone; raises HeaderError where those can't be read."""
    from .header import read_header

    return identify_header(read_header(path))


def identify_header(header: Header) -> ModelIdentity:
    """Identify what `read_header` returned."""
    from .clues_config import from_configs
    from .tensors import Clue, precision_of, view

    tensors = view(header.tensors)
    clue = from_configs(header) or _from_tensors(tensors, header.metadata)
    if clue is None:
        what = f"none of its {len(header.tensors)} tensors has a known name" if header.tensors else "no known config"
        clue = Clue(evidence=what)
    missing = header.missing
    problem = f"{len(missing)} of its shards are missing, e.g. {missing[0]}" if missing else None
    precision = clue.precision or precision_of(header.tensors)
    weights = sum([math.prod(tensor.shape) for tensor in header.tensors.values()]) or None
    return ModelIdentity(**{**clue._asdict(), "precision": precision}, problem=problem, weights=weights)


def _from_tensors(tensors: Tensors, metadata: dict[str, str]) -> Clue | None:
    from .clues_denoiser import denoiser_clue
    from .clues_parts import encoder_clue, vae_clue
    from .tensors import Clue

    if tensors.adapter:
        return Clue(role="lora", evidence=f"has adapter tensors like {tensors.adapter}", certainty="certain")
    return denoiser_clue(tensors, metadata) or encoder_clue(tensors) or vae_clue(tensors)


def _existing(text: str, base_dir: Path | str | None) -> Path | None:
    try:
        path = Path(os.path.expanduser(text))
        path = path if base_dir is None else Path(base_dir) / path
        return path if text and path.exists() else None
    except (OSError, ValueError, RuntimeError):  # too long, a null byte, no home folder
        return None


def _from_name(named: ModelName) -> ModelIdentity:
    known = named.family or named.encoder or named.vae
    evidence = "by its name only" if known else "its name says nothing"
    return ModelIdentity(*named, evidence=evidence, certainty="likely" if known else "unknown")


def _combine(seen: ModelIdentity, named: ModelName) -> ModelIdentity:
    """The header's word, completed by the name where the header is silent and the two agree."""
    conflict = _conflict(seen, named)
    if conflict:
        return seen._replace(problem=seen.problem or conflict)
    result = seen
    if seen.variant is None and named.variant and seen.family == named.family and seen.role != "lora":
        result = result._replace(variant=named.variant, evidence=f"{seen.evidence}; {named.variant} by its name only")
    if seen.certainty == "unknown" and (named.family or named.encoder or named.vae):
        by_name = _from_name(named)
        return by_name._replace(precision=seen.precision or named.precision, problem=seen.problem)
    if seen.role == "vae" and seen.vae is None and named.vae:
        result = result._replace(
            vae=named.vae, certainty="likely", evidence=f"{seen.evidence}; {named.vae} by its name"
        )
    if seen.role == "lora" and seen.family is None:
        result = result._replace(family=named.family, size=named.size)
    return result


def _conflict(seen: ModelIdentity, named: ModelName) -> str | None:
    """A sentence where a certain header contradicts what the name says, else None."""
    if seen.certainty != "certain":
        return None
    from .families import FAMILIES

    for mine, its in ((seen.encoder, named.encoder), (seen.vae, named.vae)):
        if mine and its and mine != its:
            return f"its name says {its}, its contents are {mine}"
        if its and not mine and seen.role not in (named.role, "unknown"):
            return f"its name says {its}, its contents are a {seen.role}"
    described = seen.family in FAMILIES and named.family in FAMILIES
    if described and seen.family != named.family:
        return f"its name says {named.family}, its contents are {seen.family}"
    if seen.family == named.family and seen.size and named.size and seen.size != named.size:
        title = FAMILIES[seen.family].title if seen.family in FAMILIES else seen.family
        return f"its name says {title} {named.size}, its contents are {title} {seen.size}"
    return None
