"""Light, colour, borders and traces of JPEG, from an unbiased sample of rows and a small copy of the image."""

from __future__ import annotations

import zlib
from typing import NamedTuple

import cv2
import numpy as np

from lora_doctor.dataset.arrays import Array

EVERY = 16  # rows, of images that have many
FEW = 1000  # rows, of which every eighth counts
PLAIN = 10  # levels: a row or column that spans less is plain; JPEG leaves ripples of a few
MIN_BAR = 0.02  # of the side
MAX_BAR = 0.45
WHITE = 250  # levels
BACKGROUND = 0.9  # share of the border that must be white for white to be called the background
SUBJECT = 0.08  # share of the picture that must be something else
CLIPPED_LEAST = 0.01  # a white border alone is more
BURNT = 0.1  # share of that which may be white too: otherwise all of it is burnt out


class Tone(NamedTuple):
    """Units as in ImageFacts."""

    chroma: float
    black: float
    middle: float
    white: float
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
    black, middle, white = (int(np.searchsorted(counts, share * counts[-1])) for share in (0.01, 0.5, 0.999))
    clipped = cv2.countNonZero(cv2.compare(high, 254, cv2.CMP_GE)) / high.size
    chroma = float(cv2.mean(cv2.subtract(high, low))[0])
    return Tone(
        chroma,
        float(black),
        float(middle),
        float(white),
        float(counts[239] - counts[15]) / high.size,
        max(0.0, clipped - (_background(small) if clipped > CLIPPED_LEAST else 0.0)),
        zlib.crc32(rows),
    )


def _background(small: Array) -> float:
    """Share of the image that is white and connected with its border: a product on white is not over-exposed."""
    low = cv2.min(cv2.min(small[..., 0], small[..., 1]), small[..., 2]) if small.ndim == 3 else small
    white = cv2.compare(low, WHITE, cv2.CMP_GE)
    border = np.concatenate([white[0], white[-1], white[:, 0], white[:, -1]])
    if cv2.countNonZero(border) < BACKGROUND * border.size:
        return 0.0
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


def blocks(rows: Array) -> float:
    """How much larger the steps at one of eight columns are than at the others; JPEG codes squares of eight."""
    plane = cv2.extractChannel(rows, 1) if rows.ndim == 3 else rows
    width = plane.shape[1] // 8 * 8
    if width < 64:
        return 1.0
    steps = cv2.absdiff(plane[:, 1:width], plane[:, : width - 1])
    means = cv2.reduce(steps, 0, cv2.REDUCE_AVG, dtype=cv2.CV_32F).ravel()
    phases = np.median(np.append(means, 0.0).reshape(-1, 8)[:-1], 0)  # a single edge in the picture is no grid
    return float(phases[7] / (np.delete(phases, 7).mean() + 1e-3))


def bars(small: Array) -> tuple[float, float, float, float]:
    """Plain bars at left, top, right and bottom, as shares of the side; only two that face each other count."""
    plane = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY) if small.ndim == 3 else small
    height, width = plane.shape
    top, bottom = _plain(plane, 1)
    left, right = _plain(plane, 0)
    sides = [left / width, top / height, right / width, bottom / height]
    for one, other in ((0, 2), (1, 3)):
        if not (MIN_BAR <= sides[one] <= MAX_BAR and MIN_BAR <= sides[other] <= MAX_BAR):
            sides[one] = sides[other] = 0.0
    return sides[0], sides[1], sides[2], sides[3]


def _plain(plane: Array, across: int) -> tuple[int, int]:
    """Rows (or columns) from the first and from the last on that are of one and the same grey."""
    low, high = plane.min(across).astype(np.int16), plane.max(across).astype(np.int16)
    plain = high - low <= PLAIN
    found = []
    for ours, bottom in ((plain, low), (plain[::-1], low[::-1])):
        same = ours & (np.abs(bottom - bottom[0]) <= PLAIN)
        found.append(len(same) if same.all() else int(same.argmin()))
    return found[0], found[1]
