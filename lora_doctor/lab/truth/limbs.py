"""How many legs a creature has, counted on a mask of it: runs along rows below a critter, along columns beside others.

A creature stands upright in every scene of the world. None where nothing can be counted: no creature, no body, or
rows that do not agree.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Soft = NDArray[np.float32]  # how much of a pixel the subject covers, 0 to 1
Solid = NDArray[np.uint8]

FINER: Final = 4  # a gap between legs is two pixels wide: count between the pixels
THICK: Final = 0.075  # of a creature's height: half of what is too thick for a leg
NEAR, FAR = 0.15, 0.85  # where between body and foot is counted
SUPPORT: Final = 0.4  # share of rows that must show that many legs
DOUBT: Final = (0.27, 0.40)  # between these shares a further leg is neither there nor not
SMALLEST: Final = 16.0  # height in px below which legs run together
FROM_BELOW: Final = ("critter",)
FROM_ABOVE: Final = ("beetle", "lizard")


class Outline(NamedTuple):
    """A creature's mask and its body, legs and tail rubbed off; both `FINER` times enlarged, 0 or 1."""

    whole: Solid
    body: Solid


def limbs(mask: Soft, creature: str) -> int | None:
    """Legs of the creature that a mask [64, 64] covers; None where they cannot be counted."""
    if creature not in (*FROM_BELOW, *FROM_ABOVE):
        return None
    outline = _outline(mask)
    if outline is None:
        return None
    if creature in FROM_BELOW:
        return _below(outline)
    left, right = _beside(Outline(outline.whole[:, ::-1], outline.body[:, ::-1])), _beside(outline)
    return None if left is None or right is None else left + right


def _outline(mask: Soft) -> Outline | None:
    large = cv2.resize(mask.astype(np.float32), None, fx=FINER, fy=FINER, interpolation=cv2.INTER_CUBIC)
    solid = _largest((large > 0.5).astype(np.uint8))
    rows = np.flatnonzero(solid.any(1))
    if len(rows) < SMALLEST * FINER:
        return None
    radius = max(2, round(THICK * (rows[-1] - rows[0] + 1)))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2)
    body = _largest(np.asarray(cv2.morphologyEx(solid, cv2.MORPH_OPEN, kernel), np.uint8))
    return Outline(solid, body) if body.any() else None


def _largest(solid: Solid) -> Solid:
    """The largest piece of a mask."""
    number, names, numbers, _ = cv2.connectedComponentsWithStats(solid, connectivity=8)
    if number < 2:
        return np.zeros_like(solid)
    return np.asarray(names == 1 + int(numbers[1:, cv2.CC_STAT_AREA].argmax()), np.uint8)


def _below(outline: Outline) -> int | None:
    bottom, foot = (int(np.flatnonzero(part.any(1))[-1]) for part in (outline.body, outline.whole))
    return _agreed(outline.whole, bottom, foot)


def _beside(outline: Outline) -> int | None:
    """Legs on the right of the body."""
    return _below(Outline(outline.whole.T, outline.body.T))


def _agreed(solid: Solid, body: int, foot: int) -> int | None:
    """The most legs that enough rows between body and foot show."""
    length = foot - body
    if length < 0.07 * len(solid):
        return 0
    rows = solid[body + round(NEAR * length) : body + round(FAR * length) + 1]
    runs = (np.diff(rows.astype(np.int8), axis=1, prepend=0) == 1).sum(1)
    shares = [(runs >= number).mean() for number in range(1, 12)]
    if any(DOUBT[0] < share < DOUBT[1] for share in shares):
        return None
    return sum(bool(share >= SUPPORT) for share in shares)
