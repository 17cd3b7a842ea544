"""Two plans side by side, by what they do.

The same optimiser under two names is no difference, an alpha that one of them ignores is.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from lora_doctor.describe import derived_facts, plan_rows
from lora_doctor.meaning import canonical
from lora_doctor.models.identify import ModelIdentity
from lora_doctor.plan import Component, Plan
from lora_doctor.setting import Setting

# Plan fields in the user's words
TITLES = {
    "model": "base model",
    "model_file": "base model's file",
    "text_encoder": "text encoder",
    "vae": "VAE",
    "text_encoder_file": "text encoder's file",
    "vae_file": "VAE's file",
    "network.kind": "kind of adapter",
    "network.rank": "rank",
    "network.alpha": "alpha (as it counts)",
    "network.conv_rank": "rank of convolutions",
    "network.conv_alpha": "alpha of convolutions",
    "network.dropout": "adapter dropout",
    "network.targets": "target layers",
    "network.excluded": "layers left out",
    "network.weights": "adapter to continue from",
    "network.merged": "adapters merged into the base first",
    "network.stacked": "adapters beneath the trained one",
    "network.dtype": "format of adapter weights",
    "optimizer.name": "optimiser",
    "optimizer.learning_rate": "learning rate",
    "optimizer.text_encoder_learning_rate": "text encoder's learning rate",
    "optimizer.weight_decay": "weight decay",
    "optimizer.scheduler": "schedule",
    "optimizer.warmup_steps": "warm-up (steps)",
    "optimizer.gradient_clip": "gradient clip",
    "optimizer.ema": "average of weights (EMA)",
    "precision.compute": "computing format",
    "precision.base": "format of the base model",
    "precision.text_encoder": "format of the text encoder",
    "precision.vae": "format of the VAE",
    "precision.save": "format of checkpoints",
    "precision.gradient_checkpointing": "gradient checkpointing",
    "precision.blocks_to_swap": "blocks kept in main memory",
    "timesteps.sampling": "noise levels drawn",
    "timesteps.shift": "shift of noise levels",
    "timesteps.weighting": "loss weighting",
    "timesteps.prediction": "prediction",
    "timesteps.zero_terminal_snr": "zero terminal SNR",
    "timesteps.min_snr_gamma": "min-SNR gamma",
    "timesteps.noise_offset": "noise offset",
    "timesteps.guidance": "trained guidance",
    "validation.prompts": "preview prompts",
    "validation.every_steps": "steps between previews",
    "validation.every_epochs": "epochs between previews",
    "validation.guidance": "preview guidance",
    "validation.sampler_steps": "preview sampler steps",
    "validation.size": "preview size",
    "validation.seed": "preview seed",
    "validation.walk_seed": "preview seed moves on",
    "validation.held_out": "held-out images",
    "saving.folder": "output folder",
    "saving.every_steps": "steps between checkpoints",
    "saving.every_epochs": "epochs between checkpoints",
    "saving.keep": "checkpoints kept",
    "saving.resumable": "optimiser state saved",
    "saving.resume": "resumes from",
    "steps": "steps",
    "epochs": "epochs",
    "batch_size": "batch size",
    "accumulation": "gradient accumulation",
    "processes": "GPUs",
    "seed": "seed",
    "trigger": "trigger word",
    "growth": "smaller resolutions first",
    "train_text_encoder": "text encoder is trained",
    "cache_latents": "latents cached",
    "cache_text": "text states cached",
    "prompt_tokens": "longest prompt (tokens)",
    "datasets": "number of datasets",
}
DATASET_TITLES = {
    "folder": "images",
    "control": "control images",
    "masks": "masks",
    "repeats": "repeats",
    "resolution": "resolution",
    "buckets": "aspect-ratio buckets",
    "batch_size": "batch size",
    "caption_source": "captions from",
    "prompt": "caption of all images",
    "caption_extension": "caption files",
    "caption_dropout": "caption dropout",
    "shuffle_tags": "tags shuffled",
    "keep_tokens": "leading tags kept",
    "trigger": "trigger word",
    "regularisation": "regularisation images",
}
FACTS = {
    "effective_batch_images": "images per step",
    "steps": "steps of the run",
    "images": "images",
    "captioned_images": "images with a caption",
    "exposures_per_image": "exposures per image",
    "scale": "scale of the update (alpha / rank)",
    "learning_rate_at_alpha_equal_rank": "learning rate as at alpha = rank",
    "weights_share": "share of weights reached",
    "blocks_reached": "blocks reached",
    "kept_window_share_of_run": "share of the run checkpoints are kept of",
    "warmup_share_of_run": "share of the run that warms up",
    "weight_decay_shrink": "share of a weight that decay removes",
}
_NAMED = re.compile(r"[/\\]|\.(safetensors|ckpt|pt|pth|bin|gguf|sft)$", re.I)  # and not a flavour or a type
# Not what is trained: names, or what the derived facts say better
_PASSED_OVER = frozenset({"saving.name", "recipe", "purpose", "network.targets", "network.excluded"})


class Difference(NamedTuple):
    """One plan field that two plans hold otherwise; a setting without a value is not known, or does not exist."""

    field: str
    title: str
    first: Setting[Any]
    second: Setting[Any]


class FactDifference(NamedTuple):
    """One derived fact that comes out otherwise; None where it can't be known."""

    name: str
    title: str
    first: Any
    second: Any


class Comparison(NamedTuple):
    """What differs: settings, and what follows from them. Fields that are the same in both stand in neither."""

    settings: tuple[Difference, ...]
    facts: tuple[FactDifference, ...]

    @property
    def equal(self) -> bool:
        """Whether the two do the same, as far as their configs say."""
        return not self.settings and not self.facts


def compare(first: Plan, second: Plan) -> Comparison:
    """Compare two plans of any trainers."""
    one, other = canonical(first), canonical(second)
    mine, theirs = dict(_rows(one)), dict(_rows(other))
    before, after = derived_facts(one), derived_facts(other)
    facts = tuple(_facts(before, after))
    lengths = bool(before["steps"] and after["steps"])
    found = []
    for field in dict.fromkeys((*mine, *theirs)):
        if field in _PASSED_OVER or (lengths and field in ("steps", "epochs")):
            continue
        was, now = mine.get(field, Setting()), theirs.get(field, Setting())
        if not same(was.value, now.value):
            found.append(Difference(field, title(field), was, now))
    return Comparison(tuple(found), facts)


def title(field: str) -> str:
    """A plan field in the user's words."""
    if not field.startswith("datasets."):
        return TITLES.get(field, field)
    _, number, name = field.split(".", 2)
    return f"{DATASET_TITLES.get(name, name)} (dataset {int(number) + 1})"


def _rows(plan: Plan) -> Iterator[tuple[str, Setting[Any]]]:
    yield from (("model", _identity(plan.model)), ("model_file", _named(plan.model)))
    yield from (("text_encoder", _encoder(plan)), ("text_encoder_file", _named(plan.text_encoder)))
    yield from (("vae", plan.vae.setting._replace(value=plan.vae.found.vae)), ("vae_file", _named(plan.vae)))
    yield "datasets", Setting(len(plan.datasets), "counted")
    components = ("model", "text_encoder", "vae")
    yield from ((field, setting) for field, setting in plan_rows(plan) if field not in components)


def _identity(component: Component) -> Setting[str]:
    parts = (component.family, component.size, component.variant if component.variant != "base" else None)
    return component.setting._replace(value=" ".join(part for part in parts if part) or None)


def _encoder(plan: Plan) -> Setting[str]:
    found: ModelIdentity = plan.text_encoder.found
    return plan.text_encoder.setting._replace(value=found.encoder)


def _named(component: Component) -> Setting[str]:
    """The file or repository itself, where the config writes one."""
    setting = component.setting
    text = setting.value
    named = setting.written and isinstance(text, str) and bool(_NAMED.search(text))
    return setting if named else Setting(None, "unknown", setting.key, setting.place)


def same(first: Any, second: Any) -> bool:
    """Whether two values mean the same: numbers to six digits, paths whatever their separators."""
    if isinstance(first, bool) or isinstance(second, bool):
        return first is second or (first is None and second is None)
    if isinstance(first, (int, float)) and isinstance(second, (int, float)):
        return math.isclose(first, second, rel_tol=1e-6, abs_tol=1e-15)
    if isinstance(first, str) and isinstance(second, str):
        return first == second or _path(first) == _path(second)
    if isinstance(first, (list, tuple)) and isinstance(second, (list, tuple)):
        return len(first) == len(second) and all(same(a, b) for a, b in zip(first, second))
    return bool(first == second)


def _path(text: str) -> str:
    return os.path.normpath(text.replace("\\", "/")).lower() if "/" in text or "\\" in text else text


def _facts(mine: dict[str, Any], theirs: dict[str, Any]) -> Iterator[FactDifference]:
    for name, words in FACTS.items():
        before, after = mine[name], theirs[name]
        close = isinstance(before, (int, float)) and isinstance(after, (int, float))
        if close and math.isclose(before, after, rel_tol=1e-3):
            continue
        if before != after and not (before is None or after is None):
            yield FactDifference(name, words, before, after)
