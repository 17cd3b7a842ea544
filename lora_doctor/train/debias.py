"""The training loss with the luck of the noise level taken out: each image's error by what the base model's is there.

A step's raw loss is mostly which noise levels were drawn. Divided by the base's mean error at the level (measured on
fixed noise before the first step, straight lines between), 1 is the base model whatever was drawn. No torch.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

HALF = 64  # images after which an old one counts half


class Debiased:
    """A running mean of relative errors."""

    def __init__(self, levels: Sequence[float], errors: Sequence[float]) -> None:
        """The base's mean error at some levels (sigmas, or SDXL's timesteps), at least one."""
        pairs = sorted(zip(levels, errors))
        self._levels = [level for level, _ in pairs]
        self._errors = [error for _, error in pairs]
        self.value: float | None = None

    def base(self, level: float) -> float:
        """The base's error at a level; beyond the outermost ones, theirs."""
        right = bisect_left(self._levels, level)
        if right in (0, len(self._levels)):
            return self._errors[min(right, len(self._errors) - 1)]
        low, high = self._levels[right - 1], self._levels[right]
        share = (level - low) / (high - low)
        return self._errors[right - 1] + share * (self._errors[right] - self._errors[right - 1])

    def add(self, levels: Sequence[float], errors: Sequence[float]) -> float | None:
        """Take a step's images in; the mean so far, None before the first. What is no number is left out."""
        for level, error in zip(levels, errors):
            base = self.base(level)
            if error == error and abs(error) != float("inf") and base > 0:
                keep = 0.5 ** (1 / HALF)
                ratio = error / base
                self.value = ratio if self.value is None else keep * self.value + (1 - keep) * ratio
        return self.value
