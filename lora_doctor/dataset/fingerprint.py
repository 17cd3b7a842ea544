"""What an image is recognised by: 256 bits of coarse structure, an 8 x 8 thumbnail, and corners for crops."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np

from lora_doctor.dataset.arrays import Array
from lora_doctor.dataset.facts import Features

RASTER = 208  # pixels of the longer side on which corners are found
SIDE = 32  # pixels each way of the copy that two images are compared by
CORNERS = 90
GRID = 96  # cells each way, whatever the image's shape: corners fall on corners
STRONGEST = 0.2  # of the cells
AROUND = 15  # cells each way that one is compared with
FLOOR = 30.0  # added to that, so that what is nearly flat has no edges
_orb: Any = None


class Fingerprint(NamedTuple):
    """Parts of ImageFacts, and the corners."""

    hash: bytes
    texture: float
    thumb: bytes
    features: Features


def measure(small: Array) -> Fingerprint:
    """Of a copy (BGR or one channel) whose longer side has RASTER pixels."""
    colour = small if small.ndim == 3 else cv2.cvtColor(small, cv2.COLOR_GRAY2BGR)
    grey = cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY)
    square = cv2.resize(grey, (2 * SIDE, 2 * SIDE), interpolation=cv2.INTER_AREA)
    block = cv2.dct(square.astype(np.float32))[1:17, 1:17]
    tiny = cv2.resize(colour, (8, 8), interpolation=cv2.INTER_AREA)
    return Fingerprint(
        bits(block),
        float(np.sqrt((block**2).mean())) / 64 * 16,
        cv2.cvtColor(tiny, cv2.COLOR_BGR2LAB).tobytes(),
        corners(grey)._replace(
            edges=edges(grey), grey=cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_AREA).tobytes()
        ),
    )


def bits(block: Array) -> bytes:
    """Which of the 16 x 16 coefficients lie above their median."""
    return bytes(np.packbits(block > np.median(block)))


def corners(grey: Array) -> Features:
    """The strongest corners and what is around them."""
    global _orb
    if _orb is None:
        _orb = cv2.ORB.create(CORNERS, 1.3, 2, edgeThreshold=12, patchSize=24, fastThreshold=14)
    points, descriptors = _orb.detectAndCompute(grey, None)
    if not points:
        return Features(b"", b"")
    places = np.array([point.pt for point in points], np.float32).round().clip(0, 255).astype(np.uint8)
    return Features(places.tobytes(), descriptors.tobytes())


def edges(grey: Array) -> bytes:
    """Which cells have the strongest edges, of a small grey copy; one bit each."""
    x, y = cv2.Scharr(grey, cv2.CV_32F, 1, 0), cv2.Scharr(grey, cv2.CV_32F, 0, 1)
    strength = cv2.resize(cv2.magnitude(x, y), (GRID, GRID), interpolation=cv2.INTER_AREA)
    cells = cv2.divide(strength, cv2.add(cv2.blur(strength, (AROUND, AROUND)), FLOOR))
    place = int((1 - STRONGEST) * cells.size)
    return bytes(np.packbits(cells > np.partition(cells.ravel(), place)[place]))
