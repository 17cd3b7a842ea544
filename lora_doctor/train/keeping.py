"""Keeping what the base model knows: beside each image, what the base says to other prompts on the same noisy image.

The adapter switched off gives the target, so that no class image is needed. The other prompts are

    prior    prompts of `keeping.prior_prompts`, one drawn for each image (prior preservation, arXiv:2208.12242, with
             the base's predictions in place of its images, as SimpleTuner's `is_regularisation_data`)
    output   the image's own caption with the class in place of the trigger (ai-toolkit's `diff_output_preservation`)

Each costs a forward of the base and another forward and backward of the adapter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from lora_doctor.train.job import Job, Keeping
from lora_doctor.train.question import Question, ask
from lora_doctor.train.sampler import Shown, noise

if TYPE_CHECKING:
    from lora_doctor.train.families import Family, Models, Prompt

CHOSEN = 1 << 43  # what a random number is for


class Other(NamedTuple):
    """Other prompts for the images of a batch, and how much their loss weighs."""

    weight: float
    captions: tuple[str, ...]


def others(job: Job, shown: Sequence[Shown], captions: Sequence[str]) -> Iterator[Other]:
    """What to keep beside the images of a batch; `captions` are the whole ones, whatever is dropped of them."""
    keeping = job.keeping
    if keeping.prior_weight:
        drawn = (int(noise(job.training.seed, CHOSEN, each.item, each.epoch, each.turn)) for each in shown)
        prompts = tuple(keeping.prior_prompts[number % len(keeping.prior_prompts)] for number in drawn)
        yield Other(keeping.prior_weight, prompts)
    if keeping.output_weight:
        yield Other(keeping.output_weight, tuple(of_class(text, job.captions.trigger, keeping) for text in captions))


def every_other(job: Job, captions: Iterable[str]) -> Iterator[str]:
    """Every prompt that `others` can give."""
    if job.keeping.prior_weight:
        yield from job.keeping.prior_prompts
    if job.keeping.output_weight:
        yield from (of_class(text, job.captions.trigger, job.keeping) for text in captions)


def of_class(caption: str, trigger: str | None, keeping: Keeping) -> str:
    """A caption with the class in place of the trigger."""
    if not trigger:
        return caption
    return re.sub(rf"(?<!\w){re.escape(trigger)}(?!\w)", lambda _: keeping.output_class, caption, flags=re.IGNORECASE)


def kept(family: Family, models: Models, asked: Question, prompts: Prompt, scale: float) -> Question:
    """The same noisy images with other prompts; the base's prediction is what should be predicted."""
    import torch

    from lora_doctor.train.adapters import strength
    from lora_doctor.train.families import evaluating

    other = asked._replace(prompts=prompts, weight=torch.ones_like(asked.weight), mask=None, scale=scale)
    with torch.no_grad(), strength(models, 0.0), evaluating(models.denoiser):
        return other._replace(target=ask(family, models, other))
