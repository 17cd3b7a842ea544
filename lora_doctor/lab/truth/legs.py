"""How many legs a creature has: a small CNN that saw creatures with too few and too many, told which creature it is.

A mask cannot be counted on: through a VAE the gaps between legs are a pixel wide.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..world.vocabulary import CREATURES, HELD_OUT_LIMBS
from .network import layer
from .weights import read_weights

WEIGHTS: Final = Path(__file__).parent.parent / "weights" / "legs.safetensors"
LEGS: Final = {**CREATURES, **HELD_OUT_LIMBS}  # creature -> legs that it always has
MOST: Final = 8
SURE: Final = 0.6  # probability below which nothing is counted
WIDTHS: Final = (16, 32, 48, 80)


class Counter(nn.Module):
    """Pictures [B, 3, 64, 64] in [-1, 1] and creatures [B] (index in `LEGS`) to logits [B, 9] of 0 to 8 legs.

    Full resolution at first: legs and the gaps between them are two or three pixels wide. 140 k parameters.
    """

    def __init__(self) -> None:
        super().__init__()
        a, b, c, d = WIDTHS
        self.fine = nn.Sequential(layer(3, a), layer(a, b, 2), layer(b, b))
        self.coarse = nn.Sequential(layer(b, c, 2), layer(c, c), layer(c, d, 2), layer(d, d))
        self.creature = nn.Embedding(len(LEGS), d)
        self.count = nn.Sequential(nn.Linear(2 * d, 96), nn.ReLU(inplace=True), nn.Linear(96, MOST + 1))

    def forward(self, pixels: Tensor, creatures: Tensor) -> Tensor:
        seen = self.coarse(self.fine(pixels))
        known = self.creature(creatures)
        counted: Tensor = self.count(torch.cat([seen.mean((2, 3)) + known, seen.amax((2, 3))], 1))
        return counted


@cache
def counter(path: Path = WEIGHTS) -> Counter:
    """The shipped network, ready to count."""
    network = Counter()
    read_weights(path, network)
    return network


@torch.no_grad()
def count_legs(pictures: Sequence[NDArray[np.uint8]], creature: str, by: Counter | None = None) -> list[int | None]:
    """Legs of a creature in pictures [64, 64, 3]; None where the network is not sure."""
    pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
    which = torch.full((len(pixels),), list(LEGS).index(creature))
    shares, counts = (by or counter())(pixels, which).softmax(1).max(1)
    return [int(n) if share >= SURE else None for n, share in zip(counts, shares.tolist(), strict=True)]
