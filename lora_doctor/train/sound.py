"""Values that are of the right type and that no run can be made with. No torch, and no file is opened."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from lora_doctor.train.job import Job
from lora_doctor.train.targets import UnfitError

FORMATS = ("diffusers", "comfyui", "kohya", "folded")


def check(job: Job) -> None:
    """Refuse what would fail, or train nothing, after the model is loaded.

    Raises:
        UnfitError: the first such value, with its key.
    """
    for key, value, why in wrong(job):
        raise UnfitError(key, f"{value!r} {why}")


def wrong(job: Job) -> Iterator[tuple[str, Any, str]]:
    """Key, value and what is wrong with it."""
    for table, values in (("optimizer", job.optimizer), ("adapter", job.adapter), ("validation", job.validation)):
        for name, value in values._asdict().items():
            if isinstance(value, float) and not math.isfinite(value):
                yield f"{table}.{name}", value, "is no number"
    for name, alpha in {"adapter.alpha": job.adapter.alpha, **_patterns(job)}.items():
        if not alpha > 0:
            yield name, alpha, "scales what is learned by nothing: alpha is above 0"
    betas, strengths, size = job.optimizer.betas, job.validation.strengths, job.validation.size
    if betas is not None and not (len(betas) in (2, 3) and _all(betas, lambda beta: 0 <= beta < 1)):
        yield "optimizer.betas", list(betas), "should be two numbers from 0 to below 1, such as [0.9, 0.999]"
    if not _all(strengths, math.isfinite):
        yield "validation.strengths", list(strengths), "should be numbers, such as [0.6, 1.0, 1.5]"
    if size is not None and not (len(size) == 2 and _all(size, lambda edge: edge == int(edge) > 0)):
        yield "validation.size", list(size), "should be width and height in pixels, such as [1024, 1024]"
    shift = job.timesteps.shift
    if isinstance(shift, (int, float)) and not 0 < shift < math.inf:
        yield "timesteps.shift", shift, "should be above 0, or `resolution`"
    for name in job.saving.formats:
        if name not in FORMATS:
            yield "saving.formats", name, f"is none of {', '.join(FORMATS)}"
    yield from _data(job)


def _patterns(job: Job) -> dict[str, Any]:
    return {f"adapter.alpha_pattern.{name}": alpha for name, alpha in job.adapter.alpha_pattern.items()}


def _data(job: Job) -> Iterator[tuple[str, Any, str]]:
    for place, data in enumerate(job.data):
        if not 0 < data.repeats < math.inf:
            yield f"data.{place}.repeats", data.repeats, "leaves the folder out: take it from the config instead"
        if data.captions == "prompt" and not (data.prompt or "").strip() and not job.captions.trigger:
            yield f"data.{place}.prompt", data.prompt, "is the caption of every image: write one, or set a trigger"
        if max(data.resolution, default=0) > LARGEST:
            yield f"data.{place}.resolution", max(data.resolution), f"px is more than any model draws ({LARGEST})"


LARGEST = 8192  # pixels; the models draw four million


def _all(values: Any, sound: Callable[[Any], bool]) -> bool:
    return all(isinstance(each, (int, float)) and not isinstance(each, bool) and sound(each) for each in values)
