"""Light, colour, borders and traces of JPEG, from an unbiased sample of rows and a small copy of the image."""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

import cv2
import numpy as np

from lora_doctor.dataset import white_light
from lora_doctor.dataset.arrays import Array

EVERY = 16  # rows, of images that have many
FEW = 1000  # rows, of which every eighth counts
PLAIN = 10  # levels: a row or column that spans less is plain; JPEG leaves ripples of a few
MIN_BAR = 0.02  # of the side
MAX_BAR = 0.45
BEHIND = 8  # rows of the small copy behind a bar
EDGE = 0.6  # of their pixels that must differ from it: not so where a subject or a frame stands on a plain ground
REACHES = 0.3  # of the height between two bars in which the picture must reach a side: a subject on a ground doesn't
FEWEST = 0.001  # of the pixels at both ends that don't count: thin lines on paper are contrast too
SPANNING = 130  # levels of the brightest channel, above which no other is asked
PALE = 160  # levels of the second brightest channel: below, one channel at its limit is a pure colour, not lost light
SHADES = 0.3  # of the pixels that must be neither black nor white: lines on paper make grids of their own
MIN_STEPS = 0.5  # levels between neighbouring columns, below which a grid is an accident


class Tone(NamedTuple):
    """Units as in ImageFacts."""

    chroma: float
    black: float
    middle: float
    white: float
    contrast: float
    between: float
    clipped: float
    pixels: int


def sample(image: Array) -> Array:
    """Some rows of all heights."""
    every = EVERY if image.shape[0] >= FEW else EVERY // 2
    return np.ascontiguousarray(image[every // 2 :: every] if image.shape[0] > every else image)


def measure(rows: Array, small: Array) -> Tone:
    """Of a sample of rows (BGR or one channel) and a copy of the image of about 200 pixels a side."""
    channels = cv2.split(rows) if rows.ndim == 3 else (rows, rows, rows)
    high = cv2.max(cv2.max(channels[0], channels[1]), channels[2])
    low = cv2.min(cv2.min(channels[0], channels[1]), channels[2])
    counts = np.cumsum(cv2.calcHist([high], [0], None, [256], [0, 256]).ravel())
    shares = (FEWEST, 0.01, 0.5, 1 - FEWEST)
    darkest, black, middle, white = (int(np.searchsorted(counts, share * counts[-1])) for share in shares)
    second = cv2.max(cv2.min(channels[0], channels[1]), cv2.min(cv2.max(channels[0], channels[1]), channels[2]))
    burnt = cv2.bitwise_and(cv2.compare(high, 254, cv2.CMP_GE), cv2.compare(second, PALE, cv2.CMP_GE))
    clipped = cv2.countNonZero(burnt) / high.size
    spans = [white - darkest] if white - darkest >= SPANNING else [white - darkest, *map(_span, cv2.split(small))]
    chroma = float(cv2.mean(cv2.subtract(high, low))[0])
    return Tone(
        chroma,
        float(black),
        float(middle),
        float(white),
        float(max(spans)),
        float(counts[239] - counts[15]) / high.size,
        white_light.burnt(channels, small, clipped),
        zlib.crc32(rows),
    )


def _span(channel: Array) -> int:
    """Levels between the extremes."""
    values = np.sort(channel, axis=None)
    return int(values[round((1 - FEWEST) * (values.size - 1))]) - int(values[round(FEWEST * (values.size - 1))])


def blocks(rows: Array) -> float:
    """How much larger the steps at one of eight columns are than at the others; JPEG codes squares of eight."""
    plane = cv2.extractChannel(rows, 1) if rows.ndim == 3 else rows
    width = plane.shape[1] // 8 * 8
    shades = cv2.countNonZero(cv2.inRange(plane, 3, 251))
    if width < 64 or shades < SHADES * plane.size:
        return 1.0
    steps = cv2.absdiff(plane[:, 1:width], plane[:, : width - 1])
    means = cv2.reduce(steps, 0, cv2.REDUCE_AVG, dtype=cv2.CV_32F).ravel()
    phases = np.median(np.append(means, 0.0).reshape(-1, 8)[:-1], 0)  # a single edge in the picture is no grid
    others = float(np.delete(phases, 7).mean())
    return float(phases[7]) / others if others >= MIN_STEPS else 1.0


def bars(small: Array) -> tuple[float, float, float, float]:
    """Plain bars at left, top, right and bottom, as shares of the side; only two that face each other count."""
    plane = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY) if small.ndim == 3 else small
    height, width = plane.shape
    top, bottom = _bars(plane, plane.min(1), plane.max(1))
    left, right = _bars(plane.T, plane.min(0), plane.max(0))
    if not _reaches(plane[top : height - bottom], plane[0, 0] if top else None):
        top = bottom = 0
    if not _reaches(plane[:, left : width - right].T, plane[0, 0] if left else None):
        left = right = 0
    sides = [left / width, top / height, right / width, bottom / height]
    for one, other in ((0, 2), (1, 3)):
        if not (MIN_BAR <= sides[one] <= MAX_BAR and MIN_BAR <= sides[other] <= MAX_BAR):
            sides[one] = sides[other] = 0.0
    return sides[0], sides[1], sides[2], sides[3]


def _reaches(picture: Array, bar: Any) -> bool:
    """Whether what lies between two bars of this grey differs from it at an end of its rows."""
    if bar is None or not len(picture):
        return True
    ends = np.abs(picture[:, [0, -1]].astype(np.int16) - int(bar)) > PLAIN
    return bool(ends.mean(0).max() >= REACHES)


def _bars(plane: Array, low: Array, high: Array) -> tuple[int, int]:
    """At both ends: rows that are of one and the same grey, where the picture sets in along most of their edge."""
    low, plain, found = low.astype(np.int16), high - low <= PLAIN, []
    for lines, level, even in ((plane, low, plain), (plane[::-1], low[::-1], plain[::-1])):
        same = even & (np.abs(level - level[0]) <= PLAIN)
        rows = len(same) if same.all() else int(same.argmin())
        begins = np.abs(lines[rows : rows + BEHIND].astype(np.int16) - level[rows - 1]) > PLAIN
        found.append(rows if begins.size and begins.mean() >= EDGE else 0)
    return found[0], found[1]
