"""What writers share: a trainer's word for a value, a rate for a scale that can't be chosen, the length of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from lora_doctor import derived
from lora_doctor.dialects.writers.draft import Draft
from lora_doctor.meaning import ALL as ALL
from lora_doctor.meaning import run_length
from lora_doctor.plan import Dataset, Plan


def word(draft: Draft, field: str, value: Any, words: Mapping[str, str], instead: str, what: str = "") -> str | None:
    """A trainer's word for a value; `instead` where it has none, with a note. None stays None."""
    if value is None:
        return None
    found = words.get(str(value))
    if found is None:
        draft.cannot(field, f"has no `{value}` here: `{instead}` is trained with instead{f', {what}' if what else ''}")
    return found or instead


def alpha(plan: Plan) -> float | int | None:
    """The alpha that counts, whole where it is whole."""
    value = plan.network.alpha.value
    return int(value) if isinstance(value, float) and value.is_integer() else value


def full_scale_factor(draft: Draft) -> float:
    """What the rate is multiplied by where alpha is always the rank: the root of alpha / rank.

    An optimiser whose steps do not depend on the gradients' size does the same with both factors of the update scaled
    by that root (see `derived.normalised_learning_rate`); one that finds its own rate, or plain SGD, does not.
    """
    scale, family = draft.plan.network.scale, derived.optimizer_family(draft.plan.optimizer.name.value)
    if scale is None or scale <= 0 or abs(scale - 1.0) < 1e-9 or family in (*derived.FREE, "sgd"):
        return 1.0
    return math.sqrt(scale)


def rate_at_full_scale(draft: Draft, trainer: str) -> float | None:
    """The learning rate where alpha can't be chosen: it makes up for the scale, where it can."""
    rate, scale, factor = draft.plan.learning_rate.value, draft.plan.network.scale, full_scale_factor(draft)
    if rate is None or scale is None or abs(scale - 1.0) < 1e-9:
        return rate
    if factor == 1.0:
        draft.cannot("network.alpha", f"is always the rank in {trainer}: the update is scaled by 1, not by {scale:g}")
        return rate
    draft.cannot("network.alpha", f"is always the rank in {trainer}; the learning rate makes up for it")
    draft.cannot(
        "optimizer.learning_rate", f"times the root of alpha / rank = {scale:g}: the same steps as at that alpha"
    )
    return _digits(rate * factor)


def decay_at_full_scale(draft: Draft) -> float | None:
    """Weight decay where the learning rate makes up for the scale: their product is what shrinks the weights."""
    decay, factor = draft.plan.optimizer.weight_decay.value, full_scale_factor(draft)
    if not decay or factor == 1.0:
        return decay
    draft.cannot("optimizer.weight_decay", "is divided by the learning rate's factor: weights shrink as before")
    return _digits(decay / factor)


def _digits(value: float) -> float:
    return float(f"{value:.6g}")


def epochs_for(draft: Draft) -> int | None:
    """Whole epochs that show every image as often as the plan does, for a trainer that counts nothing else."""
    plan = draft.plan
    steps, epochs = run_length(plan)
    samples, batch = derived.samples_per_epoch(plan), derived.effective_batch(plan)
    if epochs:
        return math.ceil(epochs)
    if steps is None or not samples or not batch:
        return None
    return max(1, round(steps * batch / samples))


def steps_for(draft: Draft, key: str) -> int | None:
    """Optimiser steps, for a trainer that counts nothing else; None with a note where only epochs are known."""
    steps, epochs = run_length(draft.plan)
    if steps is None and epochs:
        draft.cannot(
            "epochs",
            f"can't be turned into steps while the images are not here: set `{key}` to {epochs:g} x "
            "images x repeats / effective batch",
        )
    return steps


def checkpoint_steps(draft: Draft, field: str = "saving") -> int | None:
    """Steps between checkpoints (or previews); None where the plan counts epochs of a length nobody knows here."""
    every = getattr(draft.plan, field).every_steps.value
    return int(every) if every else None


def default_checkpoint_steps(draft: Draft) -> int:
    """Ten checkpoints a run, where the plan has none: the best one is seldom the last."""
    steps, _ = run_length(draft.plan)
    return max(1, round(steps / 10)) if steps else 250


def single(draft: Draft, index: int, data: Dataset) -> int | None:
    """The one edge length of a dataset; where an image gets one of several per epoch, the largest, with a note."""
    edges = data.resolution.value
    if not edges:
        return None
    if len(edges) > 1:
        draft.cannot(
            f"datasets.{index}.resolution",
            f"draws one of {', '.join(map(str, edges))} for every image and epoch, which only OneTrainer does: "
            f"{max(edges)} is trained",
        )
    return max(edges)


def controls(data: Dataset) -> str | list[str] | None:
    """The folder of control images, or several, for a trainer that takes several."""
    if len(data.control_listings) < 2:
        return data.control.value
    written = next((each for key in ("control", "control_path") if isinstance(each := data.get(key).value, list)), None)
    return written or [str(listing.folder) for listing in data.control_listings]


def single_control(draft: Draft, index: int, data: Dataset) -> str | None:
    """The one folder of control images, for a trainer that takes one."""
    if len(data.control_listings) > 1:
        draft.cannot(
            f"datasets.{index}.control",
            f"takes one folder: of {len(data.control_listings)} the first is left, and the edit is another one",
        )
    return data.control.value


def whole(draft: Draft, field: str, value: float | None) -> int | None:
    """A whole number, for a trainer that takes no other."""
    if value is None:
        return None
    if value != int(value):
        draft.cannot(field, f"must be a whole number here: {value:g} becomes {max(1, round(value))}")
        return max(1, round(value))
    return int(value)


def extension_without_dot(data: Dataset) -> str | None:
    """`txt` for `.txt`."""
    return data.caption_extension.value.lstrip(".") if data.caption_extension.value else None
