"""Where a subject stands and how big it is, measured on its mask."""

from __future__ import annotations

import random
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..world.canvas import Frame, union
from ..world.subjects import parts
from ..world.vocabulary import PIXELS, POSITIONS, SIZES

Soft = NDArray[np.float32]

ASIDE: Final = 0.085  # share of the edge: half the way that the biggest subject is moved from the centre
FEWEST: Final = 30.0  # px of subject below which there is none


class Place(NamedTuple):
    """Words of the world, None where none of them fits."""

    position: str | None
    size: str | None


def place(mask: Soft, subject: str) -> Place:
    """Position and size of the subject that a mask [64, 64] of 0 to 1 covers."""
    area = float(mask.sum())
    if area < FEWEST:
        return Place(None, None)
    solid = mask > 0.5
    rows, columns = np.flatnonzero(solid.any(1)), np.flatnonzero(solid.any(0))
    if not len(rows):
        return Place(None, None)
    right = (columns[0] + columns[-1] + 1 - PIXELS) / (2 * PIXELS)
    down = (rows[0] + rows[-1] + 1 - PIXELS) / (2 * PIXELS)
    extent = np.sqrt(area / _filled(subject)) / PIXELS
    size = min(SIZES, key=lambda name: abs(np.log(extent / SIZES[name])))
    return Place(_position(right, down), size)


def _position(right: float, down: float) -> str | None:
    aside, below = abs(right) > ASIDE, abs(down) > ASIDE
    if aside and below:
        return None
    step = (int(np.sign(right)) if aside else 0, int(np.sign(down)) if below else 0)
    return next(name for name, way in POSITIONS.items() if way == step)


@cache
def _filled(subject: str) -> float:
    """Area of a subject of half extent 1."""
    frame = Frame(512, 256, 256, 128)
    whole = union(*(piece.mask for piece in parts(subject, frame, random.Random(0))))
    return float(whole.sum() / 255 / frame.extent**2)
