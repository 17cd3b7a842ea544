"""The judge's network: one small CNN with a head per attribute and a mask of the subject."""

from __future__ import annotations

from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..world.vocabulary import ATTRIBUTES, PIXELS

WIDTHS: Final = (24, 32, 56, 80)
SHARED: Final = 32  # channels of the mask's path
HEADS: Final = tuple(len(words) for words in ATTRIBUTES.values())


class Said(NamedTuple):
    """`logits`: per attribute [B, classes]; `mask`: logits [B, 64, 64], above zero where the subject is."""

    logits: tuple[Tensor, ...]
    mask: Tensor


def layer(inside: int, outside: int, stride: int = 1) -> nn.Sequential:
    """A 3 x 3 convolution, normalised and rectified."""
    return nn.Sequential(
        nn.Conv2d(inside, outside, 3, stride, 1, bias=False), nn.BatchNorm2d(outside), nn.ReLU(inplace=True)
    )


class Network(nn.Module):
    """Pictures [B, 3, 64, 64] in [-1, 1] to `Said`. 186 k parameters."""

    def __init__(self) -> None:
        super().__init__()
        a, b, c, d = WIDTHS
        self.stem = nn.Sequential(nn.Conv2d(5, a, 4, 2, 1, bias=False), nn.BatchNorm2d(a), nn.ReLU(inplace=True))
        self.fine = layer(a, b)  # 32 x 32
        self.middle = nn.Sequential(layer(b, c, 2), layer(c, c))  # 16 x 16
        self.coarse = nn.Sequential(layer(c, d, 2), layer(d, d))  # 8 x 8
        self.heads = nn.Linear(2 * d, sum(HEADS))
        self.from_coarse = nn.Conv2d(d, SHARED, 1)
        self.from_middle = nn.Conv2d(c, SHARED, 1)
        self.join = nn.Sequential(layer(SHARED, SHARED))
        self.last = nn.Sequential(layer(SHARED, SHARED), nn.Conv2d(SHARED, 4, 3, 1, 1))
        ramp = torch.linspace(-1, 1, PIXELS)
        # Where a pixel is: a convolution alone cannot tell left from right.
        self.register_buffer("place", torch.stack(torch.meshgrid(ramp, ramp, indexing="ij"))[None], persistent=False)

    def forward(self, pixels: Tensor) -> Said:
        place = self.get_buffer("place").to(pixels.dtype).expand(len(pixels), -1, -1, -1)
        fine = self.fine(self.stem(torch.cat([pixels, place], 1)))
        middle = self.middle(fine)
        coarse = self.coarse(middle)
        said = self.heads(torch.cat([coarse.mean((2, 3)), coarse.amax((2, 3))], 1))
        up = functional.interpolate(self.from_coarse(coarse), scale_factor=2.0)
        up = functional.interpolate(self.join(up + self.from_middle(middle)), scale_factor=2.0)
        mask = functional.pixel_shuffle(self.last(up + fine), 2)[:, 0]
        return Said(tuple(said.split(list(HEADS), 1)), mask)
