"""What the denoiser predicts for given images, prompts and noise levels, a few at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from lora_doctor.train.families import Family, Models, collate, evaluating

AT_ONCE = 8  # forwards in one batch


class Image(Protocol):
    """An encoded image with its encoded caption; tensors are unbatched."""

    @property
    def latents(self) -> Tensor: ...
    @property
    def prompts(self) -> dict[str, Tensor]: ...
    @property
    def sizes(self) -> Tensor: ...
    @property
    def name(self) -> str: ...


class Asked(NamedTuple):
    """One forward: latents `[C, h, w]`, sigma from 0 to 1, a prompt, `[6]` pixels for SDXL, the name of its noise."""

    latents: Tensor
    sigma: float
    prompts: Mapping[str, Tensor]
    sizes: Tensor
    noise: str


class Answer(NamedTuple):
    """What came: the noisy latents, the noise, the level, and what was predicted; all `[C, h, w]` in fp32."""

    noisy: Tensor
    noise: Tensor
    level: Tensor
    predicted: Tensor
    target: Tensor


def noise_like(latents: Tensor, name: str) -> Tensor:
    """The noise of this name, the same on every machine: drawn on the CPU."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little") >> 1
    return torch.randn(latents.shape, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def answers(family: Family, models: Models, asked: Sequence[Asked], at_once: int = AT_ONCE) -> Iterator[Answer]:
    """The answers in their order; latents of one size, and with control images of one size, are asked together."""
    start = 0
    while start < len(asked):
        shapes = _shapes(asked[start])
        end = start
        while end < min(len(asked), start + at_once) and _shapes(asked[end]) == shapes:
            end += 1
        yield from _batch(family, models, asked[start:end])
        start = end


def _shapes(asked: Asked) -> list[tuple[str, torch.Size]]:
    return [("", asked.latents.shape), *((name, value.shape) for name, value in sorted(asked.prompts.items()))]


def _batch(family: Family, models: Models, asked: Sequence[Asked]) -> Iterator[Answer]:
    noised = _noised(family, models, asked)
    prompts = {key: value.to(models.device) for key, value in collate([dict(each.prompts) for each in asked]).items()}
    sizes = torch.stack([each.sizes for each in asked])
    with evaluating(models.denoiser):  # dropout would answer differently each time
        predicted = family.predict(models, noised.noisy, noised.level, prompts, sizes).float()
    yield from _answers(noised, predicted)


def answered(family: Family, models: Models, asked: Sequence[Asked], predicted: Tensor) -> list[Answer]:
    """The answers where the predictions, `[n, C, h, w]`, are known already: nothing is asked. All of one size."""
    return list(_answers(_noised(family, models, asked), predicted.to(models.device)))


class _Noised(NamedTuple):
    """What a denoiser is given, and what it should predict; batched."""

    noisy: Tensor
    noise: Tensor
    level: Tensor
    target: Tensor


def _noised(family: Family, models: Models, asked: Sequence[Asked]) -> _Noised:
    device = models.device
    latents = torch.stack([each.latents.float() for each in asked]).to(device)
    noise = torch.stack([noise_like(each.latents, each.noise) for each in asked]).to(device)
    levels = family.levels_at(models, torch.tensor([each.sigma for each in asked], device=device))
    noisy = family.noisy(models, latents, noise, levels)
    return _Noised(noisy, noise, levels, family.target(models, latents, noise, levels).float())


def _answers(noised: _Noised, predicted: Tensor) -> Iterator[Answer]:
    parts = (noised.noisy.float(), noised.noise, noised.level, predicted, noised.target)
    yield from (Answer(*each) for each in zip(*parts))


def clean(family: Family, models: Models, answer: Answer) -> Tensor:
    """The image a prediction stands for, `[C, h, w]`.

    Noisy latents and target are mixtures of image and noise, whose shares each family's own functions tell for an image
    of ones and a noise of ones; two equations give the image.
    """
    ones = torch.ones_like(answer.noisy[None])
    levels, zeros = answer.level[None], torch.zeros_like(ones)
    a, b = family.noisy(models, ones, zeros, levels), family.noisy(models, zeros, ones, levels)
    c, d = family.target(models, ones, zeros, levels), family.target(models, zeros, ones, levels)
    found: Tensor = ((d * answer.noisy - b * answer.predicted) / (a * d - b * c))[0]
    return found
