"""Anti-aliased masks in a subject's own coordinates: (0, 0) is its centre, 1 its half extent, y points down."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.uint8]
Point = tuple[float, float]
_SHIFT = 4  # cv2 draws at sixteenths of a pixel


class Frame(NamedTuple):
    """Where a subject stands on a square canvas of `edge` px: centre and half extent in px, angle in radians."""

    edge: int
    x: float
    y: float
    extent: float
    angle: float = 0.0

    def at(self, point: Point) -> tuple[int, int]:
        """A point in cv2's fixed-point pixels."""
        c, s = math.cos(self.angle), math.sin(self.angle)
        x, y = point[0] * c - point[1] * s, point[0] * s + point[1] * c
        return round((x * self.extent + self.x) * 16), round((y * self.extent + self.y) * 16)

    def empty(self) -> Mask:
        """A mask of nothing."""
        return np.zeros((self.edge, self.edge), np.uint8)


def polygon(frame: Frame, *outlines: Sequence[Point]) -> Mask:
    """The union of filled polygons."""
    mask = frame.empty()
    for outline in outlines:
        cv2.fillPoly(mask, [np.array([frame.at(p) for p in outline], np.int32)], 255, cv2.LINE_AA, _SHIFT)
    return mask


def box(left: float, top: float, right: float, bottom: float) -> tuple[Point, ...]:
    """The outline of an upright rectangle."""
    return (left, top), (right, top), (right, bottom), (left, bottom)


def disc(frame: Frame, centre: Point, radius: float) -> Mask:
    """A filled circle."""
    mask = frame.empty()
    cv2.circle(mask, frame.at(centre), round(radius * frame.extent * 16), 255, -1, cv2.LINE_AA, _SHIFT)
    return mask


def oval(frame: Frame, centre: Point, half: Point) -> Mask:
    """A filled ellipse with half axes `half`, as polygon (so that the frame's angle holds)."""
    steps = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    return polygon(frame, [(centre[0] + half[0] * math.cos(t), centre[1] + half[1] * math.sin(t)) for t in steps])


def strokes(frame: Frame, width: float, *paths: Sequence[Point]) -> Mask:
    """Lines with round ends; `width` is a share of the half extent."""
    mask, thickness = frame.empty(), max(1, round(width * frame.extent))
    for path in paths:
        points = np.array([frame.at(p) for p in path], np.int32)
        cv2.polylines(mask, [points], False, 255, thickness, cv2.LINE_AA, _SHIFT)
        for x, y in points:
            cv2.circle(mask, (int(x), int(y)), thickness * 8, 255, -1, cv2.LINE_AA, _SHIFT)
    return mask


def union(*masks: Mask) -> Mask:
    """What any of the masks covers."""
    return np.asarray(np.maximum.reduce(masks), np.uint8)
