"""The published files of each base model, for trainers that take another form of it than the config at hand names.

Sources: the repositories' own file lists as the trainers' documentation names them (diffusion-pipe
docs/supported_models.md, musubi-tuner docs/flux_2.md, ai-toolkit's and SimpleTuner's model tables); preview settings:
Nerogar/OneTrainer@23df3832 modules/util/config/SampleConfig.py.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from lora_doctor.dialects.writers.draft import Draft
from lora_doctor.models.families import FAMILIES
from lora_doctor.plan import Plan

_FILE = re.compile(r"\.(safetensors|ckpt|pt|pth|bin|gguf|sft)$", re.I)
_REPOSITORY = re.compile(r"^[A-Za-z0-9][\w.-]*/[\w.-]+$", re.ASCII)


class Release(NamedTuple):
    """One published base model: its repository in diffusers' layout, its single file, its encoder and VAE files."""

    family: str
    size: str | None
    variant: str | None
    repository: str
    file: str
    encoder: str = ""
    vae: str = ""


RELEASES = (
    Release(
        "flux2-klein",
        "4B",
        "base",
        "black-forest-labs/FLUX.2-klein-base-4B",
        "flux-2-klein-base-4b.safetensors",
        "qwen_3_4b.safetensors",
        "flux2-vae.safetensors",
    ),
    Release(
        "flux2-klein",
        "9B",
        "base",
        "black-forest-labs/FLUX.2-klein-base-9B",
        "flux-2-klein-base-9b.safetensors",
        "qwen_3_8b.safetensors",
        "flux2-vae.safetensors",
    ),
    Release(
        "flux2-klein",
        "4B",
        "distilled",
        "black-forest-labs/FLUX.2-klein-4B",
        "flux-2-klein-4b.safetensors",
        "qwen_3_4b.safetensors",
        "flux2-vae.safetensors",
    ),
    Release(
        "flux2-klein",
        "9B",
        "distilled",
        "black-forest-labs/FLUX.2-klein-9B",
        "flux-2-klein-9b.safetensors",
        "qwen_3_8b.safetensors",
        "flux2-vae.safetensors",
    ),
    Release(
        "flux2-dev",
        None,
        None,
        "black-forest-labs/FLUX.2-dev",
        "flux2-dev.safetensors",
        "mistral_3_small_flux2_bf16.safetensors",
        "flux2-vae.safetensors",
    ),
    Release(
        "flux1",
        None,
        None,
        "black-forest-labs/FLUX.1-dev",
        "flux1-dev.safetensors",
        "t5xxl_fp16.safetensors",
        "ae.safetensors",
    ),
    Release("sana", "1.6B", None, "Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers", ""),
    Release("sdxl", None, None, "stabilityai/stable-diffusion-xl-base-1.0", "sd_xl_base_1.0.safetensors"),
)


class Preview(NamedTuple):
    """Edge in pixels, sampler steps and guidance that a model's previews are drawn with."""

    edge: int
    steps: int
    guidance: float


PREVIEWS = {
    "flux2-klein": Preview(1024, 30, 4.0),
    "flux2-dev": Preview(1024, 30, 4.0),
    "sana": Preview(1024, 20, 4.5),
    "sdxl": Preview(1024, 30, 7.5),
    "flux1": Preview(1024, 30, 3.5),
}


def release(plan: Plan) -> Release | None:
    """The release of this family, size and variant; the base where the config does not say which."""
    model = plan.model
    same = [each for each in RELEASES if each.family == model.family and model.size in (each.size, None)]
    exact = [each for each in same if each.variant == model.variant]
    return next(iter(exact or same), None) if len({each.size for each in same}) <= 1 else None


def preview(plan: Plan) -> Preview | None:
    """How previews of this model are drawn."""
    return PREVIEWS.get(plan.model.family or "")


def is_file(text: object) -> bool:
    """Whether a text names a model file."""
    return isinstance(text, str) and bool(_FILE.search(text))


def is_repository(text: object) -> bool:
    """Whether a text has the form of a hub repository's id."""
    return isinstance(text, str) and bool(_REPOSITORY.match(text)) and not is_file(text)


def named_model(plan: Plan) -> str | None:
    """The file, folder or repository the config names; None where it names a flavour or a type only."""
    text = plan.model.setting.value
    if not isinstance(text, str) or not plan.model.setting.written:
        return None
    return text if is_file(text) or "/" in text or "\\" in text else None


def single_file(draft: Draft) -> str | None:
    """The base model as one file: the one at hand, else the published one, with a note."""
    text, known = named_model(draft.plan), release(draft.plan)
    if is_file(text) or known is None or not known.file:
        return text
    draft.cannot(
        "model_file",
        f"is read as one file here: put {known.file} of {known.repository} at models/{known.file}, or write your path",
    )
    return f"models/{known.file}"


def repository(draft: Draft) -> str | None:
    """The base model in diffusers' layout: the one at hand, else the published one, with a note."""
    text, known = named_model(draft.plan), release(draft.plan)
    if text is not None and not is_file(text):
        return text
    if known is None:
        return text
    if text is not None:
        draft.cannot(
            "model_file",
            f"is read as a folder or repository here, not as one file: {known.repository} is trained instead; for a "
            "fine-tune of your own, convert the file with diffusers and write its folder",
        )
    return known.repository


def either(draft: Draft) -> str | None:
    """The base model as the config names it, else the published repository."""
    return named_model(draft.plan) or repository(draft)


def encoder_file(draft: Draft) -> str | None:
    """The text encoder's file: the one at hand, else the published one, with a note."""
    return _part(draft, "text_encoder", "encoder")


def vae_file(draft: Draft) -> str | None:
    """The VAE's file: the one at hand, else the published one, with a note."""
    return _part(draft, "vae", "vae")


def _part(draft: Draft, field: str, part: str) -> str | None:
    text, known = getattr(draft.plan, field).setting.value, release(draft.plan)
    if is_file(text):
        return str(text)
    name = getattr(known, part) if known else ""
    if not name:
        return None
    draft.cannot(f"{field}_file", f"is a file of its own here: put {name} at models/{name}, or write your path")
    return f"models/{name}"


def recommended(plan: Plan) -> tuple[int, int, float]:
    """Edge, sampler steps and guidance of previews, as the plan says or as the model wants."""
    wanted = preview(plan) or Preview(1024, 30, 4.0)
    size = plan.validation.size.value
    edge = size[0] if size else wanted.edge
    guidance = plan.validation.guidance.value
    return (
        edge,
        plan.validation.sampler_steps.value or wanted.steps,
        wanted.guidance if guidance is None else float(guidance),
    )


def is_flow(plan: Plan) -> bool:
    """Whether the model is trained by flow matching."""
    family = FAMILIES.get(plan.model.family or "")
    return family is not None and family.prediction == "flow"
