"""Whether white is lost light, or paper, a plain background, flat colour."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from lora_doctor.dataset.arrays import Array

LEAST = 0.15  # of the pixels at their limit, below which nobody asks
WHITE = 250  # levels, of the small copy
BACKGROUND = 0.9  # share of the border that must be white for white to be called the background
SUBJECT = 0.08  # share of the picture that must be something else
BURNT = 0.1  # share of that which may be white too: otherwise all of it is burnt out
BLACK = 2  # levels
FLAT = 0.35  # of the pixels with colour, equal to their neighbour: burnt photographs came to 0.26, screenshots to 0.37
ABRUPT = 60  # levels below WHITE within two pixels
DRAWN = 0.54  # of the places where white ends, abruptly: burnt photographs came to 0.52, line drawings to 0.55 and more
PAPER = 0.1  # of them, where the border is white
SLOPE = 12  # levels below WHITE at the middle one of them, where the border is white


def burnt(channels: Sequence[Array], small: Array, clipped: float) -> float:
    """The share of pixels at their limit that lost their light; of photographs.

    channels: of a sample of rows. small: a copy of about 200 pixels a side. clipped: the share at their limit.
    """
    if clipped < LEAST:
        return clipped
    low = cv2.min(cv2.min(small[..., 0], small[..., 1]), small[..., 2]) if small.ndim == 3 else small
    white = cv2.compare(low, WHITE, cv2.CMP_GE)
    border = np.concatenate([white[0], white[-1], white[:, 0], white[:, -1]])
    framed = cv2.countNonZero(border) >= BACKGROUND * border.size
    if _flat(channels) >= FLAT or _ends_abruptly(low if framed else _brightest(small), framed):
        return 0.0
    return max(0.0, clipped - _background(white)) if framed else clipped


def _flat(channels: Sequence[Array]) -> float:
    """Share of the pixels, black and white ones left out, that are equal to the one to their right."""
    high, low = cv2.max(cv2.max(*channels[:2]), channels[2]), cv2.min(cv2.min(*channels[:2]), channels[2])
    coloured = ((low < WHITE) & (high > BLACK))[:, 1:]
    equal = (channels[0][:, 1:] == channels[0][:, :-1]) & (channels[1][:, 1:] == channels[1][:, :-1])
    count = int(np.count_nonzero(coloured))
    return float(np.count_nonzero(equal & coloured)) / count if count else 0.0


def _brightest(small: Array) -> Array:
    return cv2.max(cv2.max(small[..., 0], small[..., 1]), small[..., 2]) if small.ndim == 3 else small


def _ends_abruptly(plane: Array, framed: bool) -> bool:
    """Whether white stops at a line, as paper does: light that burns out fades on the way."""
    falls = np.concatenate([_falls(each) for each in (plane, plane[:, ::-1], plane.T, plane.T[:, ::-1])])
    if not falls.size:
        return False
    abrupt = float((falls > ABRUPT).mean())
    return abrupt > DRAWN or (framed and abrupt > PAPER and float(np.median(falls)) > SLOPE)


def _falls(plane: Array) -> Array:
    """How far below WHITE the next two pixels go, wherever white ends."""
    ends = (plane[:, :-2] >= WHITE) & (plane[:, 1:-1] < WHITE)
    return WHITE - np.minimum(plane[:, 1:-1], plane[:, 2:])[ends].astype(np.int16)


def _background(white: Array) -> float:
    """Share of the image that is white and connected with its border: a product on white is not over-exposed."""
    count, labels = cv2.connectedComponents(white, connectivity=4)
    edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    outside = np.zeros(count, bool)
    outside[edge] = True
    outside[0] = False
    behind = outside[labels]
    inside = white[~behind]
    if inside.size < SUBJECT * white.size or cv2.countNonZero(inside) > BURNT * inside.size:
        return 0.0
    return float(behind.mean())
