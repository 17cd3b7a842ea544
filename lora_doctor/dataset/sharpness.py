"""How sharp the sharpest part of an image is, in pixels: shallow depth of field and plain backgrounds don't count.

The blur of an edge is found by blurring it again (Elder & Zucker 1998; Zhuo & Sim 2011): with gradients m1 and m2 after
Gaussian blurs of radius 1 and 2, r = m1 / m2 gives sigma^2 = (4 - r^2) / (r^2 - 1). It depends neither on contrast nor
on exposure, and noise hardly touches it, since both gradients are taken after a blur. Only the strongest gradients of
the busiest tiles count, those of each of four directions also by themselves: motion blurs edges across it and leaves
those along it. Drawings and grass have directions without sharp edges too, so a direction counts for less where the
others are not sharp, and for more where they are and hardly anything is left in it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

from lora_doctor.dataset.arrays import Array

TILE = 64  # pixels
PAD = 7  # pixels round a tile, so that blurring it sees no border
SHARE = 0.012  # of the tiles, in each of four directions
MIN_TILES = 6
MAX_TILES = 24
EVERY = 2  # rows and columns of which one counts: after a blur, those between say the same
STRONG = 0.0025  # share of all pixels whose gradients count
SHARPEST = 20  # percentile of their blur that is reported
MIN_EDGES = 30  # such pixels, below which nothing is said
MIN_SECTOR = 150  # such pixels, below which a direction is not judged by itself
ALONE = 5.0  # times the blur in the directions beside; motion came to 3.3
LOPSIDED = 0.2  # energy of the gradients in one direction, as a share of those across it
CRISP = 0.5  # pixels: blur across a direction up to which faint streaks in it are asked
# Limits of the next five from 700 sharp photographs and 440 drawings, and 600 photographs that were shaken.
SHAKEN, IF_WHOLE = 1.1, 0.5  # what the blur of a direction counts, if that of the whole is at most such a share of it
STREAKED, IF_ACROSS = 1.375, 0.35  # if also hardly anything is left in it, and what lies across it is sharp
DOUBTED = 0.86  # otherwise
CONSIDERED = 0.45  # share of the tiles' pixels that are looked at at all
SAMPLE = 4000  # pixels that a share is estimated from
GAIN = 32.0  # of OpenCV's Scharr kernel, per level and pixel
SECOND = np.array([1, -2, 1], np.float32)
NOISE = 0.2089  # standard deviation per mean absolute response of that kernel, both ways (Immerkaer 1996)
SQUARE = np.ones((3, 3), np.uint8)


class Sharpness(NamedTuple):
    """Blur in pixels of this plane, noise in levels; `detail` as in ImageFacts."""

    blur: float | None = None
    noise: float | None = None
    detail: float | None = None


def measure(image: Array, small: Array, times: int) -> Sharpness:
    """Of an image (BGR or one channel) and its grey plane, `times` (2 or 4) times smaller."""
    side = TILE // times
    if min(image.shape[:2]) < TILE + 2 * PAD or min(small.shape[:2]) < side:
        return Sharpness()
    tiles = _busiest(small, side)
    mosaic = _mosaic(image, tiles, small.shape[1] // side)
    noise = _noise(mosaic)
    pixels = image.shape[0] * image.shape[1]
    return Sharpness(_blur(mosaic.astype(np.float32), pixels, noise), noise, _detail(mosaic))


def _busiest(small: Array, side: int) -> Array:
    """Numbers of the tiles with the strongest differences to the right, below and on both diagonals."""
    down, across = small.shape[0] // side, small.shape[1] // side
    plane = small[: down * side, : across * side]
    differences = (
        cv2.absdiff(plane[:, 1:], plane[:, :-1]),
        cv2.absdiff(plane[1:], plane[:-1]),
        cv2.absdiff(plane[1:, 1:], plane[:-1, :-1]),
        cv2.absdiff(plane[1:, :-1], plane[:-1, 1:]),
    )
    chosen = []
    count = min(down * across, max(MIN_TILES, min(MAX_TILES, int(SHARE * down * across))))
    for difference in differences:
        bottom, right = plane.shape[0] - difference.shape[0], plane.shape[1] - difference.shape[1]
        difference = cv2.copyMakeBorder(difference, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
        score = _means(cv2.dilate(difference, SQUARE), side).ravel()
        chosen.append(np.argpartition(score, -count)[-count:])
    return np.unique(np.concatenate(chosen))


def _means(plane: Array, side: int) -> Array:
    """Of squares of `side` pixels, a power of two: halving is what OpenCV does fastest."""
    while side > 1:
        plane = cv2.resize(plane, (plane.shape[1] // 2, plane.shape[0] // 2), interpolation=cv2.INTER_AREA)
        side //= 2
    return plane


def _mosaic(image: Array, tiles: Array, across: int) -> Array:
    """The tiles below one another, grey, each with its margin."""
    side = TILE + 2 * PAD
    height, width = image.shape[:2]
    stack = np.empty((len(tiles) * side, side, *image.shape[2:]), np.uint8)
    for i, number in enumerate(tiles.tolist()):
        top = min(max(0, number // across * TILE - PAD), height - side)
        left = min(max(0, number % across * TILE - PAD), width - side)
        stack[i * side : (i + 1) * side] = image[top : top + side, left : left + side]
    return cv2.cvtColor(stack, cv2.COLOR_BGR2GRAY) if image.ndim == 3 else stack


def _blur(mosaic: Array, pixels: int, noise: float) -> float | None:
    """The blur in the direction that is blurred most."""
    once, twice = cv2.GaussianBlur(mosaic, (7, 7), 1.0), cv2.GaussianBlur(mosaic, (13, 13), 2.0)
    x, y = cv2.Scharr(once, cv2.CV_32F, 1, 0), cv2.Scharr(once, cv2.CV_32F, 0, 1)
    strength = cv2.magnitude(x, y)
    again = cv2.magnitude(cv2.Scharr(twice, cv2.CV_32F, 1, 0), cv2.Scharr(twice, cv2.CV_32F, 0, 1))
    x, y, strength, again = (_inside(each)[:, ::EVERY, ::EVERY].ravel() for each in (x, y, strength, again))
    at = np.flatnonzero(strength > max(GAIN, _upper(strength, CONSIDERED)))
    if at.size < MIN_EDGES:
        return None
    considered = Gradients(strength[at], again[at])
    count, floor = int(STRONG * pixels), GAIN * max(1.5, noise)
    whole = _edge_blur(considered, count, floor)
    own = [considered.at(where) for where in _directions(x[at], y[at])]
    found = [_edge_blur(each, count // 4, floor) if each.strength.size >= MIN_SECTOR else None for each in own]
    faint = _hardly_any(own)
    if faint is not None and (found[faint - 2] or 0.0) <= CRISP and found[faint - 2] is not None:
        weak = Gradients(strength, again).at(_directions(x, y)[faint])  # motion leaves streaks of points and grass
        streaks = _edge_blur(weak, count // 4, floor) if weak.strength.size >= MIN_SECTOR else None
        found[faint] = max((each for each in (found[faint], streaks) if each is not None), default=None)
    return _judged(whole, found, faint)


def _judged(whole: float | None, found: list[float | None], faint: int | None) -> float | None:
    """The blur of all strong edges together, or of a direction that is softer by itself, as far as that is evidence.

    Motion blurs the directions beside its own too. One that is soft alone has no edges, but a shadow or a slope.
    """
    worst, every = whole, whole or 0.0
    for at, blur in enumerate(found):
        beside = [each for each in (found[at - 1], found[(at + 1) % 4]) if each is not None]
        if blur is None or blur > ALONE * max(beside, default=blur):
            continue
        across = found[at - 2]
        weight = SHAKEN if every <= IF_WHOLE * blur else DOUBTED
        if at == faint and weight == SHAKEN and across is not None and across <= IF_ACROSS * blur:
            weight = STREAKED
        worst = max(worst or 0.0, weight * blur)
    return worst


def _inside(mosaic: Array) -> Array:
    """The tiles without their margins."""
    side = TILE + 2 * PAD
    return mosaic.reshape(-1, side, side)[:, PAD:-PAD, PAD:-PAD]


class Gradients(NamedTuple):
    """Magnitudes in the same pixels after a blur of radius 1 and after one of radius 2."""

    strength: Array
    again: Array

    def at(self, places: Array) -> Gradients:
        """Some of them."""
        return Gradients(self.strength[places], self.again[places])


def _directions(x: Array, y: Array) -> tuple[Array, ...]:
    """Which gradients lie along x, one diagonal, y and the other diagonal, to the nearest."""
    across, down = np.abs(x), np.abs(y)
    tangent = np.float32(0.41421356)  # of 22.5 degrees
    along, upright, rising = down < tangent * across, across < tangent * down, x * y > 0
    slanted = ~(along | upright)
    return along, slanted & rising, upright, slanted & ~rising


def _hardly_any(own: list[Gradients]) -> int | None:
    """The direction that has next to no gradients beside the one across it: their streaks drown what is left."""
    energy = [float(each.strength @ each.strength) for each in own]
    shares = [one / max(across, 1.0) for one, across in zip(energy, energy[2:] + energy[:2])]
    return shares.index(min(shares)) if min(shares) <= LOPSIDED else None


def _upper(strength: Array, share: float) -> float:
    """The value that this share of the pixels lies above, from some of them."""
    some = strength[:: max(1, strength.size // SAMPLE)]
    place = int((1 - share) * (some.size - 1))
    return float(np.partition(some, place)[place])


def _edge_blur(gradients: Gradients, count: int, floor: float) -> float | None:
    """The blur of the sharpest of the `count` strongest gradients."""
    first = gradients.strength
    left = max(0, first.size - max(1, count))
    strong = first >= max(floor, float(np.partition(first, left)[left]) if left else 0.0)
    ratios = first[strong] / np.maximum(gradients.again[strong], 1e-3 * GAIN)
    if ratios.size < MIN_EDGES:
        return None
    place = (ratios.size - 1) * (100 - SHARPEST) // 100  # the larger the ratio, the smaller the blur
    squared = min(4.0, max(1.0005, float(np.partition(ratios, place)[place]) ** 2))
    return math.sqrt((4 - squared) / (squared - 1))


def _noise(mosaic: Array) -> float:
    """Of the flattest tenth of the tiles."""
    response = cv2.convertScaleAbs(cv2.sepFilter2D(mosaic, cv2.CV_16S, SECOND, SECOND))
    means = cv2.reduce(response.reshape(-1, (TILE + 2 * PAD) ** 2), 1, cv2.REDUCE_AVG, dtype=cv2.CV_32F).ravel()
    place = (len(means) - 1) // 10
    return float(np.partition(means, place)[place]) * NOISE


_WINDOW = np.outer(np.hanning(TILE), np.hanning(TILE)).astype(np.float32)
RINGS = np.linspace(0.04, 0.5, 24)  # cycles per pixel
SPECTRA = 8  # tiles whose spectrum is taken


def _packed_rings() -> Array:
    """The ring of each number in OpenCV's packed spectrum, where a frequency's real and imaginary part are neighbours.

    Those of columns lie side by side, those of the first and the last column below one another.
    """
    steps = np.repeat(np.arange(TILE // 2 + 1), 2)[1:-1] / TILE  # 0, 1, 1, 2, 2 ... 31, 31, 32
    down = np.repeat(np.abs(np.fft.fftfreq(TILE))[:, None], TILE, 1)
    down[:, [0, -1]] = steps[:, None]
    return np.digitize(np.hypot(down, steps), RINGS).ravel()


_RING = _packed_rings()
_RING_SIZE = np.maximum(1, np.bincount(_RING, minlength=len(RINGS) + 1))


def spectrum(mosaic: Array) -> Array:
    """Power in each ring of frequencies, mean of the tiles with most fine detail."""
    side = TILE + 2 * PAD
    steps = cv2.absdiff(mosaic[1:, PAD + 1 : -PAD], mosaic[:-1, PAD : -PAD - 1])
    rows = cv2.reduce(steps, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel()
    fine = np.append(rows, 0).reshape(-1, side)[:, PAD : -PAD - 1].sum(1)
    power = np.zeros((TILE, TILE), np.float32)
    for tile in _inside(mosaic)[np.argsort(fine)[-SPECTRA:]].astype(np.float32):
        cv2.accumulateSquare(cv2.dft((tile - cv2.mean(tile)[0]) * _WINDOW), power)
    return (np.bincount(_RING, power.ravel(), len(RINGS) + 1) / _RING_SIZE)[1 : len(RINGS)]


DROP = 10**-2.6  # power against that of coarse detail below which a frequency is called empty


def _detail(mosaic: Array) -> float:
    """The highest frequency with detail in it, as a share of what the raster can hold."""
    rings = spectrum(mosaic)
    coarse = rings[(RINGS[:-1] >= 0.06) & (RINGS[:-1] < 0.12)].mean()
    if coarse <= 0:
        return 1.0
    filled = np.flatnonzero(rings >= coarse * DROP)
    last = int(filled[-1]) if filled.size else 0
    return float(min(1.0, RINGS[last + 1] / 0.5))
