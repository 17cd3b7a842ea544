"""What a name says about a model: a hub id, a file name or a path, without opening anything.

Only what is widely understood is read out of a name; everything else stays None. A folder's name counts only where
the file's own name is one of the generic ones (`model.safetensors`, `transformer/`, ...), so `/data/klein/outputs`
names no model. The vocabulary (patterns) stands in `vocabulary.py`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from . import vocabulary as words


class ModelName(NamedTuple):
    """What a name says; None where it does not say.

    role: transformer (the denoiser alone, a UNet too), checkpoint (denoiser, VAE and encoder in one file), pipeline
    (a diffusers folder), text_encoder, vae, lora, or unknown. family: a key of `families.FAMILIES`, or the name of a
    family that is told apart but not described there. size: None for families with one size. encoder and vae: which
    one, where the role is that or the family implies it.
    """

    role: str = "unknown"
    family: str | None = None
    size: str | None = None
    variant: str | None = None
    precision: str | None = None
    encoder: str | None = None
    vae: str | None = None


class _Text(NamedTuple):
    """A name, taken apart: path components, whether it has a file's extension, whether it may be a hub id."""

    parts: tuple[str, ...]
    extension: str
    hub: bool


def identify_name(text: str) -> ModelName:
    """Read a hub repo id, URL, file name or path (POSIX or Windows)."""
    name = _split(text)
    passed: list[str] = []
    for index, part in enumerate(reversed(name.parts)):
        if _is_generic(part):
            passed.append(part.lower())
            continue
        found, complete = _read(part, name.extension if index == 0 else "")
        if index and found.role == "unknown" and not found.family:
            break
        if index and not complete and not any(p in words.COMPONENT_ROLES for p in passed):
            break
        if index == 0:
            return _with_role(found, name, part)
        return _component(found, name, passed)
    return _nameless(name, passed)


def _split(text: str) -> _Text:
    cleaned = re.sub(
        r"^(?:https?|hf)://(?:huggingface\.co/|hf\.co/|modelscope\.cn/models/)?", "", text.strip("\"' \t\r\n")
    )
    web = re.sub(r"/(?:resolve|blob|tree)/[^/]+", "", cleaned)
    parts = tuple(_cached(p) for p in re.split(r"[\\/]+", web) if p not in ("", ".", "~"))
    leaf = re.sub(r"\.index\.json$", "", parts[-1]) if parts else ""
    dot = re.search(r"\.(safetensors|sft|gguf|ckpt|pth?|bin|json)$", leaf, re.IGNORECASE)
    extension = dot[1].lower() if dot else ""
    if dot:
        parts = (*parts[:-1], leaf[: dot.start()] or leaf)
    rooted = web.startswith(("/", "\\", ".", "~")) or "\\" in web or bool(re.match(r"[A-Za-z]:", web))
    local = not parts or parts[0].lower() in words.LOCAL_FOLDERS or rooted
    return _Text(parts, extension, not local and len(parts) >= 2)


def _cached(part: str) -> str:
    """`models--org--name`, a folder of the hub's cache, means `name`."""
    return part.rsplit("--", 1)[-1] if part.startswith("models--") else part


def _is_generic(part: str) -> bool:
    low = part.lower()
    return low in words.GENERIC or bool(re.fullmatch(words.GENERIC_PATTERN, low))


def normalised(part: str) -> str:
    """Lower case, every run of punctuation one dash, dashes around: patterns anchor on dashes."""
    low = re.sub(r"flux\.(?=[123])", "flux", part.lower())
    return "-" + re.sub(r"[^a-z0-9]+", "-", low).strip("-") + "-"


def _read(part: str, extension: str) -> tuple[ModelName, bool]:
    """What one component says, and whether it is nothing but a model's name (no words of a fine-tune)."""
    norm = normalised(part)
    precision = "gguf" if extension == "gguf" else _first(words.PRECISIONS, norm)
    if re.search(words.LORA, norm):
        family, _ = _family(norm)
        return ModelName("lora", family, _size(family, norm), _variant(family, norm, False), precision), False
    if re.search(words.VAE, norm) and not re.search(words.BAKED_VAE, norm):
        return ModelName("vae", precision=precision, vae=_first(words.VAES, norm)), True
    encoder = _first(words.ENCODERS, norm)
    if encoder:
        edition = _first(words.ENCODER_EDITIONS, norm)
        return ModelName("text_encoder", variant=edition, precision=precision, encoder=encoder), True
    family, matched = _family(norm)
    complete = bool(family) and not _leftover(norm, matched)
    return ModelName("unknown", family, _size(family, norm), _variant(family, norm, complete), precision), complete


def _first(table: tuple[tuple[str, str], ...], norm: str) -> str | None:
    return next((value for pattern, value in table if re.search(pattern, norm)), None)


def _family(norm: str) -> tuple[str | None, str]:
    """Family and the text that said so."""
    for pattern, family in words.FAMILIES:
        hit = re.search(pattern, norm)
        if hit:
            return family, hit[0]
    return None, ""


def _size(family: str | None, norm: str) -> str | None:
    return _first(words.SIZES.get(family or "", ()), norm)


def _variant(family: str | None, norm: str, complete: bool) -> str | None:
    found = _first(words.VARIANTS.get(family or "", ()), norm)
    if found is None and family == "flux2-klein" and complete and "flux" in norm and _size(family, norm):
        # Black Forest Labs names the distilled weights plainly and marks the base. A fine-tune's name says neither,
        # and a bare "klein-9b" is the distilled model to musubi-tuner and the base to SimpleTuner.
        return "distilled"
    return None if found == "?" else found


def _leftover(norm: str, matched: str) -> str:
    """The words of a name that belong neither to the model nor to its packaging."""
    rest = norm.replace(matched, "-", 1)
    return re.sub(words.PACKAGING, "-", re.sub(r"-", "--", rest)).replace("-", "")


def _with_role(found: ModelName, name: _Text, part: str) -> ModelName:
    """Fill the role from the folder, the extension or the kind of name."""
    folder = name.parts[-2].lower() if len(name.parts) > 1 else ""
    if found.role == "vae" and found.vae is None and name.extension:
        return found._replace(vae=_first(words.VAES, normalised(folder)))
    if found.role in ("vae", "text_encoder", "lora"):
        return found
    if name.extension and folder in words.FOLDER_ROLES:
        return found._replace(role=words.FOLDER_ROLES[folder])
    if re.search(words.NOT_A_MODEL, normalised(part)) or not found.family:
        return found
    if name.extension:
        return found._replace(role=_file_role(found, normalised(part)))
    if name.hub and len(name.parts) == 2:
        return found._replace(role=_hub_role(found, name.parts[0].lower(), normalised(part)))
    return found._replace(role="pipeline") if "-diffusers-" in normalised(part) else found


def _file_role(found: ModelName, norm: str) -> str:
    if re.search(words.AMBIGUOUS_FILES, norm):
        return "unknown"
    return "checkpoint" if found.family in words.CHECKPOINT_FAMILIES else "transformer"


def _hub_role(found: ModelName, org: str, norm: str) -> str:
    """What a hub repository holds: single-file repositories (GGUF, fp8, native SANA) are no pipelines."""
    if "-diffusers-" in norm:
        return "pipeline"
    if org == "comfy-org" or re.search(r"-comfyui-", norm):
        return "unknown"
    if found.precision in ("gguf", "fp8", "fp8_scaled", "nvfp4", "int4"):
        return "transformer"
    if found.family == "sana":
        return "transformer" if org == "efficient-large-model" else "unknown"
    return "pipeline"


def _component(found: ModelName, name: _Text, passed: list[str]) -> ModelName:
    """A part of a named model's folder: `FLUX.2-klein-4B/text_encoder/model.safetensors`."""
    from . import families  # only paths into a pipeline need the facts; names are read at every start

    if found.role != "unknown":
        return found
    role = next((words.COMPONENT_ROLES[p] for p in passed if p in words.COMPONENT_ROLES), None)
    if role is None:
        return found._replace(role="pipeline" if "model_index" in passed else "unknown")
    if role == "text_encoder":
        weights = families.size_of(found.family, found.size)
        folder = next(p for p in passed if words.COMPONENT_ROLES.get(p) == role)
        index = int(folder[-1]) - 1 if folder[-1].isdigit() else 0
        encoders = weights.encoders if weights else ()
        return found._replace(role=role, encoder=encoders[index] if index < len(encoders) else None)
    if role == "vae":
        known = families.FAMILIES.get(found.family or "")
        return found._replace(role=role, vae=known.vae if known else None)
    return found._replace(role=role)


def _nameless(name: _Text, passed: list[str]) -> ModelName:
    """Only generic words: the folder may still say what kind of file it is."""
    role = next((words.COMPONENT_ROLES[p] for p in passed if p in words.COMPONENT_ROLES), None)
    if role is None and name.parts:
        leaf = name.parts[-1].lower()
        role = "lora" if leaf in words.LORA_FILES else "pipeline" if leaf == "model_index" else None
    return ModelName(role or "unknown", precision="gguf" if name.extension == "gguf" else None)
