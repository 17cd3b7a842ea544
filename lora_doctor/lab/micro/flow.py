"""Flow matching: straight paths from a picture (level 0) to noise (level 1), the model predicts the velocity."""

from __future__ import annotations

import torch
from torch import Tensor


def draw(batch: int, generator: torch.Generator) -> Tensor:
    """Noise levels [B] in (0, 1): nine tenths logit-normal(0.1, 1), the rest uniform."""
    middle = torch.sigmoid(torch.randn(batch, generator=generator) + 0.1)
    even = torch.rand(batch, generator=generator)
    return torch.where(torch.rand(batch, generator=generator) < 0.1, even, middle)


def even(batch: int) -> Tensor:
    """Evenly spaced levels, for a held-out loss that can be compared."""
    return (torch.arange(batch) + 0.5) / batch


def noisy(latents: Tensor, noise: Tensor, level: Tensor) -> Tensor:
    """The point of the path at `level` [B]."""
    share = level.view(-1, *[1] * (latents.ndim - 1))
    return (1 - share) * latents + share * noise


def target(latents: Tensor, noise: Tensor, level: Tensor) -> Tensor:
    """The velocity."""
    return noise - latents


def weight(level: Tensor) -> Tensor:
    """What each picture's error counts [B]: all alike."""
    return torch.ones_like(level)
