"""How sharp the sharpest part of an image is, in pixels: shallow depth of field and plain backgrounds don't count.

The blur of an edge is found by blurring it again (Elder & Zucker 1998; Zhuo & Sim 2011): with gradients m1 and m2 after
Gaussian blurs of radius 1 and 2, r = m1 / m2 gives sigma^2 = (4 - r^2) / (r^2 - 1). It depends neither on contrast nor
on exposure, and noise hardly touches it, since both gradients are taken after a blur. Only the strongest gradients of
the busiest tiles count, each of four directions by itself: motion blurs edges across it and leaves those along it.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from lora_doctor.dataset.arrays import Array

TILE = 64  # pixels
PAD = 7  # pixels round a tile, so that blurring it sees no border
SHARE = 0.012  # of the tiles, in each of four directions
MIN_TILES = 6
MAX_TILES = 24
STRONG = 0.01  # share of all pixels whose gradients count
SHARPEST = 20  # percentile of their blur that is reported
MIN_EDGES = 120  # pixels, below which nothing is said
MIN_SECTOR = 400  # pixels, below which a direction is not judged by itself
LOPSIDED = 0.2  # energy of the gradients in one direction, as a share of those across it
CONSIDERED = 0.3  # share of the tiles' pixels that are looked at at all
LARGE = 600  # pixels of the shorter side, at half size
GAIN = 32.0  # of OpenCV's Scharr kernel, per level and pixel
LAPLACIAN = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
NOISE = 0.2089  # standard deviation per mean absolute response of that kernel (Immerkaer 1996)
SQUARE = np.ones((3, 3), np.uint8)


class Sharpness(NamedTuple):
    """Blur in pixels of this plane, noise in levels; `detail` as in ImageFacts."""

    blur: float | None = None
    noise: float | None = None
    detail: float | None = None


def measure(image: Array, half: Array) -> Sharpness:
    """Of an image (BGR or one channel) and its grey plane at half size."""
    if min(image.shape[:2]) < TILE + 2 * PAD or min(half.shape[:2]) < TILE // 2:
        return Sharpness()
    side = TILE // 2
    if min(half.shape[:2]) >= LARGE:  # coarser differences find the same tiles in a quarter of the time
        half, side = cv2.resize(half, (half.shape[1] // 2, half.shape[0] // 2), interpolation=cv2.INTER_AREA), TILE // 4
    tiles = _busiest(half, side)
    mosaic = _mosaic(image, tiles, half.shape[1] // side)
    noise = _noise(mosaic)
    return Sharpness(_blur(mosaic, image.shape[0] * image.shape[1], noise), noise, _detail(mosaic))


def _busiest(small: Array, side: int = TILE // 2) -> Array:
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
        score = cv2.resize(cv2.dilate(difference, SQUARE), (across, down), interpolation=cv2.INTER_AREA).ravel()
        chosen.append(np.argpartition(score, -count)[-count:])
    return np.unique(np.concatenate(chosen))


def _mosaic(image: Array, tiles: Array, across: int) -> Array:
    """The tiles below one another, grey, as floats, each with its margin."""
    side = TILE + 2 * PAD
    height, width = image.shape[:2]
    stack = np.empty((len(tiles) * side, side, *image.shape[2:]), np.uint8)
    for i, number in enumerate(tiles.tolist()):
        top = min(max(0, number // across * TILE - PAD), height - side)
        left = min(max(0, number % across * TILE - PAD), width - side)
        stack[i * side : (i + 1) * side] = image[top : top + side, left : left + side]
    return (cv2.cvtColor(stack, cv2.COLOR_BGR2GRAY) if image.ndim == 3 else stack).astype(np.float32)


def _blur(mosaic: Array, pixels: int, noise: float) -> float | None:
    """The blur in the direction that is blurred most."""
    once = cv2.GaussianBlur(mosaic, (7, 7), 1.0)
    twice = cv2.GaussianBlur(mosaic, (13, 13), 2.0)
    x, y = cv2.Scharr(once, cv2.CV_32F, 1, 0), cv2.Scharr(once, cv2.CV_32F, 0, 1)
    strength = cv2.magnitude(x, y)
    side = TILE + 2 * PAD
    inside = strength.reshape(-1, side, side)
    inside[:, :PAD] = inside[:, -PAD:] = 0
    inside[:, :, :PAD] = inside[:, :, -PAD:] = 0
    flat = strength.ravel()
    at = np.flatnonzero(flat > max(GAIN, _upper(strength, CONSIDERED)))
    if at.size < MIN_EDGES:
        return None
    first = flat[at] / GAIN
    sector = _sectors(x.ravel()[at], y.ravel()[at])
    again = cv2.magnitude(cv2.Scharr(twice, cv2.CV_32F, 1, 0), cv2.Scharr(twice, cv2.CV_32F, 0, 1))
    second = again.ravel()[at] / GAIN
    count = int(STRONG * pixels)
    floor = max(1.5, noise)
    found = []
    for direction in range(4):
        own = sector == direction
        if np.count_nonzero(own) >= MIN_SECTOR:
            found.append(_edge_blur(first[own], second[own], count // 4, floor))
    found.append(_shaken(x.ravel(), y.ravel(), flat, again.ravel(), count // 4, floor))
    known = [blur for blur in found if blur is not None]
    return max(known) if known else _edge_blur(first, second, count, floor)


def _shaken(x: Array, y: Array, strength: Array, again: Array, count: int, floor: float) -> float | None:
    """The blur of a direction that has next to no gradients beside the one across it, weak ones included.

    Of points and blades of grass, motion leaves streaks: their sides stay sharp and drown what is left along them.
    """
    sample = slice(None, None, 5)
    energy = np.bincount(_sectors(x[sample], y[sample]), strength[sample] ** 2, 4)
    shares = energy / np.maximum(np.roll(energy, 2), 1e-3)
    if shares.min() > LOPSIDED:
        return None
    own = (_sectors(x, y) == int(shares.argmin())) & (strength > 0)
    if np.count_nonzero(own) < MIN_SECTOR:
        return None
    return _edge_blur(strength[own] / GAIN, again[own] / GAIN, count, floor)


def _sectors(x: Array, y: Array) -> Array:
    """0 for gradients along x, 2 along y, 1 and 3 along the diagonals, to the nearest."""
    across, down = np.abs(x), np.abs(y)
    diagonal = np.where(x * y > 0, np.int8(1), np.int8(3))
    tangent = np.float32(0.41421356)  # of 22.5 degrees
    return np.where(down < tangent * across, np.int8(0), np.where(across < tangent * down, np.int8(2), diagonal))


def _upper(strength: Array, share: float) -> float:
    """The value that this share of the pixels lies above."""
    top = float(strength.max()) + 1e-3
    histogram = cv2.calcHist([strength], [0], None, [1024], [0, top]).ravel()
    above = np.cumsum(histogram[::-1])
    return top * (1023 - int(np.searchsorted(above, share * strength.size))) / 1024


def _edge_blur(first: Array, second: Array, count: int, floor: float) -> float | None:
    count = max(1, min(count, first.size))
    strong = first >= max(floor, float(np.partition(first, first.size - count)[first.size - count]))
    if np.count_nonzero(strong) < MIN_EDGES:
        return None
    squared = np.clip((first[strong] / np.maximum(second[strong], 1e-3)) ** 2, 1.0005, 4)
    return float(np.percentile(np.sqrt((4 - squared) / (squared - 1)), SHARPEST))


def _noise(mosaic: Array) -> float:
    response = np.abs(cv2.filter2D(mosaic, cv2.CV_32F, LAPLACIAN))
    rows = cv2.resize(response, (1, mosaic.shape[0] // (TILE + 2 * PAD)), interpolation=cv2.INTER_AREA)
    return float(np.percentile(rows, 10)) * NOISE


_WINDOW = np.outer(np.hanning(TILE), np.hanning(TILE)).astype(np.float32)
_RADIUS = np.hypot(*np.meshgrid(np.fft.fftfreq(TILE), np.fft.rfftfreq(TILE), indexing="ij"))
RINGS = np.linspace(0.04, 0.5, 24)  # cycles per pixel
_RING = np.digitize(_RADIUS, RINGS)
_RING_SIZE = np.maximum(1, np.bincount(_RING.ravel(), minlength=len(RINGS) + 1))
SPECTRA = 8  # tiles whose spectrum is taken


def spectrum(mosaic: Array) -> Array:
    """Power in each ring of frequencies, mean of the tiles with most fine detail."""
    side = TILE + 2 * PAD
    tiles = mosaic.reshape(-1, side, side)[:, PAD:-PAD, PAD:-PAD]
    fine = np.abs(tiles[:, 1:, 1:] - tiles[:, :-1, :-1]).mean((1, 2))
    best = tiles[np.argsort(fine)[-SPECTRA:]]
    transformed = np.fft.rfft2((best - best.mean((1, 2), keepdims=True)) * _WINDOW)
    power = (transformed.real**2 + transformed.imag**2).mean(0)
    return (np.bincount(_RING.ravel(), power.ravel(), len(RINGS) + 1) / _RING_SIZE)[1 : len(RINGS)]


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
