"""The weights a checkpoint saves: the moving average, schedule-free's average, or the weights themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

Weights = Mapping[str, torch.Tensor]  # trainable parameters by name


class Average:
    """Exponential moving average of the adapter, in fp32, on the adapter's device.

    The decay grows from 1/11 towards `decay` as (1 + n) / (10 + n), as in diffusers' `EMAModel`, so that a short run's
    average is not mostly its start.
    """

    def __init__(self, weights: Weights, decay: float) -> None:
        self.decay = decay
        self.weights = {name: weight.detach().float().clone() for name, weight in weights.items()}

    @torch.no_grad()
    def update(self, weights: Weights, step: int) -> None:
        """Move towards the weights after `step` optimiser steps (from 1)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        own = list(self.weights.values())
        torch._foreach_lerp_(own, [weights[name].detach().float() for name in self.weights], 1.0 - decay)


@contextmanager
def averaged(weights: Weights, average: Average | None, optimizer: Any) -> Iterator[None]:
    """Within: the weights that are saved and sampled with. After: bit for bit what was there before."""
    free = getattr(optimizer, "eval", None) if average is None else None
    if average is None and free is None:
        yield
        return
    kept = [weight.detach().clone() for weight in weights.values()]
    try:
        if average is not None:
            _write(weights, [average.weights[name] for name in weights])
        else:
            optimizer.eval()
        yield
    finally:
        if free is not None:
            optimizer.train()
        _write(weights, kept)


@torch.no_grad()
def _write(weights: Weights, values: list[torch.Tensor]) -> None:
    for weight, value in zip(weights.values(), values):
        weight.copy_(value)
