"""Which noise levels are trained: draws on (0, 1), and the shift that moves them towards noise.

Logit-normal draws and the shift are those of Stable Diffusion 3 (Esser et al., arXiv:2403.03206, section 3.1 and
5.3.2); the shift by token count is FLUX's (diffusers' `calculate_shift`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

SAMPLINGS = ("logit_normal", "uniform", "sigmoid")


def draw(sampling: str, count: int, generator: torch.Generator | None = None) -> Tensor:
    """Numbers in (0, 1), fp32 [count]. `sigmoid` is what other trainers call the standard logit-normal."""
    import torch

    device = generator.device if generator else None
    if sampling == "uniform":
        drawn = torch.rand(count, generator=generator, device=device)
    elif sampling in SAMPLINGS:
        drawn = torch.sigmoid(torch.randn(count, generator=generator, device=device))
    else:
        raise ValueError(f"unknown timestep sampling {sampling!r}")
    return drawn.clamp(1e-5, 1 - 1e-5)


def shifted(sigmas: Tensor, shift: float) -> Tensor:
    """Levels that hide an image of shift^2 times the tokens as the given ones hid it (arXiv:2403.03206, eq. 23)."""
    return shift * sigmas / (1 + (shift - 1) * sigmas)


def shift_of(tokens: int, base: float = 0.5, most: float = 1.15, few: int = 256, many: int = 4096) -> float:
    """FLUX's shift for an image of so many tokens: e^mu, mu linear in the count (256 -> 0.5, 4096 -> 1.15)."""
    slope = (most - base) / (many - few)
    return math.exp(base + slope * (tokens - few))
