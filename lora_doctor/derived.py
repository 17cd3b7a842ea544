"""What follows from a plan: effective batch, scale, exposures, windows and shares. None where a part is not known."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from lora_doctor.models.families import FAMILIES, Band, Family, model_id
from lora_doctor.plan import Dataset, Plan
from lora_doctor.setting import Setting

if TYPE_CHECKING:
    from lora_doctor.models.modules import Coverage

FREE = ("prodigy", "dadapt", "d-adapt", "dadaptation", "automagic")  # these find their own rate; lr is a factor of it
PUBLISHED = 100_000_000  # weights; published recipes are for 600 million and more, and small models want higher rates
OPTIMIZERS = ("prodigy", "dadapt", "automagic", "adafactor", "lion", "came", "muon", "soap", "sgd", "radam", "adopt")


def optimizer_family(name: str | None) -> str | None:
    """`adamw`, `prodigy`, `dadapt`, `adafactor`, `lion`, `schedulefree`...: None where the name is not known."""
    if not name:
        return None
    plain = name.lower().rpartition(".")[2].replace("_", "").replace("-", "")
    if "schedulefree" in plain and "prodigy" not in plain:
        return "schedulefree"
    for family in OPTIMIZERS:
        if family in plain:
            return family
    return "adamw" if "adam" in plain else None


def effective_batch(plan: Plan) -> int | None:
    """Images per optimiser step: batch x accumulation x devices (one device where the config can't say)."""
    batch, accumulation = plan.batch_size.value, plan.accumulation.value
    if batch is None:
        return None
    return int(batch) * int(accumulation or 1) * int(plan.processes.value or 1)


def samples_per_epoch(plan: Plan) -> float | None:
    """Images shown per epoch, repeats and resolutions counted; None unless every folder could be listed."""
    if not plan.datasets or any(data.listing is None or data.repeats.value is None for data in plan.datasets):
        return None
    return sum(
        len(data.listing.images) * float(data.repeats.value) * _passes(data)
        for data in plan.datasets
        if data.listing is not None and data.repeats.value is not None
    )


def _passes(data: Dataset) -> int:
    """How often an image is shown per repeat: once per resolution, where the trainer trains each."""
    return max(1, len(data.resolution.value or [0])) if data.each_resolution else 1


def image_count(plan: Plan) -> int | None:
    """Distinct images trained on, regularisation images aside; None unless every folder could be listed."""
    if not plan.datasets or any(data.listing is None for data in plan.datasets):
        return None
    folders = {
        data.listing.folder: len(data.listing.images)
        for data in plan.datasets
        if data.listing is not None and not data.regularisation.value
    }
    return sum(folders.values())


def total_steps(plan: Plan) -> float | None:
    """Optimiser steps of the run: the step limit, or what the epochs come to, whichever ends first."""
    limits = [] if not plan.steps.value else [float(plan.steps.value)]
    samples, batch = samples_per_epoch(plan), effective_batch(plan)
    if plan.epochs.value and samples and batch:
        limits.append(float(plan.epochs.value) * samples / batch)
    elif plan.epochs.value and plan.epochs.written and not plan.steps.written:
        return None  # the epochs decide, and their length is not known
    return min(limits) if limits else None


def exposures_per_image(plan: Plan) -> float | None:
    """How often the run shows one image, on average: steps x effective batch / distinct images."""
    steps, batch, images = total_steps(plan), effective_batch(plan), image_count(plan)
    if not steps or not batch or not images:
        return None
    return steps * batch / images


def normalised_learning_rate(plan: Plan) -> float | None:
    """The rate that would do the same at alpha = rank: lr x sqrt(scale) for Adam-type optimisers.

    Source: LyCORIS paper (arXiv:2309.14859) and spacepxl's sweep: with Adam, alpha acts as a factor of its root.
    """
    rate, scale = plan.learning_rate.value, plan.network.scale
    if rate is None or not isinstance(rate, (int, float)) or optimizer_family(plan.optimizer.name.value) in FREE:
        return None
    return float(rate * math.sqrt(scale if scale and scale > 0 else 1.0))


class BandedRate(NamedTuple):
    """A written learning rate beside the published band of its model: `rate` is as at alpha = rank, `shown` as told."""

    rate: float
    band: Band
    family: Family
    shown: str


def banded_rate(plan: Plan) -> BandedRate | None:
    """The rate of an Adam-type LoRA run, where there is a band to compare with and the rate itself is what differs."""
    rate, family = normalised_learning_rate(plan), FAMILIES.get(plan.model.family or "")
    band = family.learning_rate if family else None
    if (plan.model.found.weights or PUBLISHED) < PUBLISHED:
        return None
    if not plan.training or rate is None or family is None or band is None or not plan.learning_rate.written:
        return None
    if plan.network.kind.value != "lora" or optimizer_family(plan.optimizer.name.value) not in ("adamw", None):
        return None
    scaled = plan.network.scale not in (None, 1.0)
    low, high = band.limits
    if scaled and not plan.network.alpha.written and low <= float(plan.learning_rate.value or 0) <= high:
        return None  # alpha is what is off, and its own rules say so
    return BandedRate(
        rate, band, family, f"{plan.learning_rate.value:g}" + (f" ({rate:.2g} at alpha = rank)" if scaled else "")
    )


def kept_window(plan: Plan) -> float | None:
    """Share of the run that the checkpoints still on disk at its end reach back over; 1.0 where all are kept."""
    steps, every, keep = total_steps(plan), plan.saving.every_steps.value, plan.saving.keep.value
    if not steps or not every:
        return None
    if not keep:
        return 1.0
    return min(1.0, keep * every / steps)


def warmup_share(plan: Plan) -> float | None:
    """Share of the run spent warming up."""
    steps, warmup = total_steps(plan), plan.optimizer.warmup_steps.value
    if not steps or warmup is None or not isinstance(warmup, (int, float)):
        return None
    return min(1.0, float(warmup) / steps)


def weight_decay_shrink(plan: Plan) -> float | None:
    """Share of a weight that decoupled decay removes over the whole run: 1 - (1 - lr x decay)^steps."""
    steps, rate, decay = total_steps(plan), plan.learning_rate.value, plan.optimizer.weight_decay.value
    decoupled = optimizer_family(plan.optimizer.name.value) in ("adamw", "lion")
    if not steps or not decoupled or not isinstance(rate, (int, float)) or not isinstance(decay, (int, float)):
        return None
    return 1.0 - math.pow(max(0.0, 1.0 - rate * decay), steps)


def coverage(plan: Plan) -> Coverage | None:
    """What the adapter reaches in its model: blocks, modules and share of weights, from the model's module table."""
    from lora_doctor.models.modules import coverage as reached
    from lora_doctor.models.modules import model_ids
    from lora_doctor.models.presets import default_coverage

    identity, family = plan.model, plan.model.family
    known = model_id(family, identity.size, identity.variant)
    if known is None or family is None or known not in model_ids() or plan.network.kind.value == "full":
        return None
    targets, excluded = plan.network.targets.value, plan.network.excluded.value or ()
    if targets is None or (targets == [] and plan.network.target_style == "contains"):
        return default_coverage(plan.trainer.lower(), family, known) if not excluded else None
    if isinstance(targets, str) and plan.network.target_style == "preset":
        return None
    try:
        network = plan.network
        return reached(known, targets, style=network.target_style, exclude=excluded, naming=network.target_naming)
    except (ValueError, KeyError):  # a broken regular expression, or a model without a table in this naming
        return None


def dataset_lookups(plan: Plan) -> list[Callable[[str], Setting[Any]]]:
    """For each dataset, the way its loader finds a key.

    Where no dataset is known, that of the script itself, unless a dataset config that can't be read may overrule it.
    """
    if plan.datasets:
        return [data.find for data in plan.datasets]
    return [] if plan.argument("dataset_config").value else [plan.argument]
