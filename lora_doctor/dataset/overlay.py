"""A mark that many images bear at one place: a watermark, a logo, a caption burnt in.

Within one image, lettering is hardly told from fences and foliage. Across a set it is: what the pictures show differs,
and edges that keep their place do not come from it. Each image keeps which fifth of its cells has the strongest edges,
measured against their surroundings; a cell that is among them in far more images than chance allows is suspicious, and
a compact heap of such cells is a mark.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from lora_doctor.dataset.arrays import Array
from lora_doctor.dataset.cache import Cache
from lora_doctor.dataset.fingerprint import GRID, STRONGEST
from lora_doctor.dataset.imageset import Overlay
from lora_doctor.dataset.record import Images

FEWEST = 10  # different pictures, below which chance is too likely
MOST = 2000  # pictures looked at; of a larger set an even sample
OFF = 4.2  # standard deviations above chance
OFTEN = 0.5  # of the pictures
MIN_CELLS = 20  # the largest heap seen in sets without a mark had 16
MIN_THICK = 3  # cells: fewer is a line, such as a horizon or the edge of a table
MAX_SPREAD = 0.3  # of the picture that its box takes: more is a frame, or a scene they share
MIDDLE = 0.3  # of the sides to both sides of the centre: faces and products stand there, marks at the border
OWN = 0.6  # of the mark's cells that an image must have to bear it


def find_overlay(images: Images, spare: Iterable[int], cache: Cache) -> Overlay | None:
    """The largest mark; `spare` are the places of copies, which share more than a mark."""
    left = np.setdiff1d(images.sound(), np.fromiter(spare, np.int64))
    if len(left) > MOST:
        left = left[np.linspace(0, len(left) - 1, MOST).astype(int)]
    places = {images.records["digest"][place].tobytes(): place for place in left.tolist()}
    counts = np.zeros((GRID, GRID))
    known = 0
    for _, features in cache.features(sorted(places)):
        if features.edges:
            counts += _cells(features.edges)
            known += 1
    if known < FEWEST:
        return None
    mark = _mark(counts / known, known)
    if mark is None:
        return None
    bearing = [
        places[digest]
        for digest, features in cache.features(sorted(places))
        if features.edges and _cells(features.edges)[mark].mean() >= OWN
    ]
    rows, columns = np.nonzero(mark)
    box = (columns.min() / GRID, rows.min() / GRID, (columns.max() + 1) / GRID, (rows.max() + 1) / GRID)
    names = tuple(images.names[place] for place in sorted(bearing))
    return Overlay(names, known, (float(box[0]), float(box[1]), float(box[2]), float(box[3])))


def _cells(packed: bytes) -> Array:
    return np.unpackbits(np.frombuffer(packed, np.uint8)).reshape(GRID, GRID)


def _mark(often: Array, known: int) -> Array | None:
    """The cells of the largest heap, where it is compact and most of what is suspicious."""
    above = STRONGEST + OFF * float(np.sqrt(STRONGEST * (1 - STRONGEST) / known))
    hot = (often > max(above, OFTEN)).astype(np.uint8)
    count, labels = cv2.connectedComponents(cv2.dilate(hot, np.ones((3, 5), np.uint8)))
    if count < 2:
        return None
    sizes = np.bincount(labels[hot > 0], minlength=count)
    sizes[0] = 0
    best = int(sizes.argmax())
    mark = (labels == best) & (hot > 0)
    rows, columns = np.nonzero(mark)
    if len(rows) < MIN_CELLS or len(rows) < hot.sum() / 2:
        return None
    high, wide = int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1
    off = max(abs(int(ends.min()) + int(ends.max()) + 1 - GRID) / 2 / GRID for ends in (rows, columns))
    compact = min(high, wide) >= MIN_THICK and high * wide <= MAX_SPREAD * GRID * GRID
    return mark if compact and off > MIDDLE else None
