"""How long a run is: optimiser steps from steps, epochs or exposures, whichever ends first. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from lora_doctor.train.job import Job

if TYPE_CHECKING:
    from lora_doctor.train.sampler import Order


class Trained(NamedTuple):
    """What is trained on: images (regularisation aside), and images shown per epoch, repeats and sizes counted."""

    images: int
    shown: float


def steps_of(job: Job, limits: Mapping[str, float]) -> tuple[int, str]:
    """Optimiser steps, and why so many (empty where they are simply said); opens the images only where it has to."""
    ends = [(int(limits["steps"]), "")] if limits.get("steps") else []
    if limits.get("epochs") or limits.get("exposures"):
        ends += _of_data(job, limits)
    return min(ends)


def epoch_steps(job: Job) -> float:
    """Optimiser steps of one epoch, parts of a step counted."""
    order, _ = _ordered(job)
    return order.batches(0) / (job.training.accumulation * job.copies)


def _ordered(job: Job) -> tuple[Order, Trained]:
    """The order of batches of the images trained on."""
    from lora_doctor.train.images import items_of, read_pictures
    from lora_doctor.train.sampler import Order
    from lora_doctor.train.split import split

    items = items_of(job, split(read_pictures(job).pictures, job.validation.held_out).train)
    repeats = [item.repeats for item in items]
    buckets, own = [item.shape for item in items], job.training
    order = Order(buckets, repeats, own.batch_size, own.seed, ranks=job.copies)
    distinct = {item.picture.path for item in items if not item.picture.regularisation}
    return order, Trained(len(distinct), sum(repeats))


def _of_data(job: Job, limits: Mapping[str, float]) -> Iterator[tuple[int, str]]:
    order, (images, shown) = _ordered(job)
    epochs, exposures = limits.get("epochs"), limits.get("exposures")
    if epochs:
        steps = order.steps(epochs, job.training.accumulation)
        yield max(1, steps), f"{epochs:g} epochs of {shown:g} images"
    if exposures:
        steps = order.steps(exposures * images / shown, job.training.accumulation)
        yield max(1, steps), f"{exposures:g} exposures of {images} images"
