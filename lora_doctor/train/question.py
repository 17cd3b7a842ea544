"""What the denoiser is asked of a batch of noisy images, and what its answer costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

    from lora_doctor.train.families import Family, Models, Prompt


class Question(NamedTuple):
    """Noisy latents `[B, C, h, w]` and their levels `[B]`, prompts and sizes as `predict` takes them.

    `target` is what should be predicted, `weight` `[B]` multiplies each image's squared error, `mask` `[B, 1, h, w]`
    that of each place (None: all alike), `scale` the mean loss.
    """

    noisy: Tensor
    levels: Tensor
    prompts: Prompt
    sizes: Tensor
    target: Tensor
    weight: Tensor
    mask: Tensor | None = None
    scale: float = 1.0


class Forward(NamedTuple):
    """Of one batch: the loss that is trained on, each image's noise level and unweighted error `[B]`."""

    loss: Tensor
    levels: Tensor
    errors: Tensor


def answered(question: Question, predicted: Tensor) -> Forward:
    """What a prediction costs: mean squared error, weighted by noise level, mask and the batch's share of its epoch."""
    error = (predicted.float() - question.target.float()) ** 2
    return costing(question, (error if question.mask is None else error * question.mask).flatten(1).mean(1))


def costing(question: Question, errors: Tensor) -> Forward:
    """The same, where each image's error `[B]` is known."""
    return Forward((errors * question.weight).mean() * question.scale, question.levels, errors)


def ask(family: Family, models: Models, question: Question) -> Tensor:
    """The prediction."""
    return family.predict(models, question.noisy, question.levels, question.prompts, question.sizes)


def each(question: Question) -> Iterator[Question]:
    """A question for every image; their losses add up to that of all."""
    count = len(question.noisy)
    for place in range(count):
        row = slice(place, place + 1)
        yield Question(
            question.noisy[row],
            question.levels[row],
            {name: value[row] for name, value in question.prompts.items()},
            question.sizes[row],
            question.target[row],
            question.weight[row],
            None if question.mask is None else question.mask[row],
            question.scale / count,
        )
