"""By how much an image lies off its control image, told by their edges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lora_doctor.dataset.arrays import Array
from lora_doctor.dataset.decode import UndecodableError, decode, read_header
from lora_doctor.dataset.examine import read_bytes

EDGE = 512  # pixels of the longer side they are compared at
MOVED = 2.0  # pixels at that size
SURE = 0.12  # response of the phase correlation
BETTER = 0.85  # what moving must bring the difference down to


def offset(path: Path, control: Path, width: int) -> tuple[float, float] | None:
    """Right and down, pixels of an image so wide; None where it lies right, nothing is sure or a file is damaged."""
    target, source = _grey(path), _grey(control)
    if target is None or source is None:
        return None
    found = shift(cv2.resize(source, target.shape[::-1], interpolation=cv2.INTER_AREA), target)
    factor = width / target.shape[1]
    return None if found is None else (found[0] * factor, found[1] * factor)


def _grey(path: Path) -> Any:
    try:
        data = read_bytes(str(path))
        image, _, _ = decode(data, read_header(data))
    except UndecodableError:
        return None
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) if image.ndim == 3 else image
    scale = EDGE / max(grey.shape)
    size = (max(32, round(grey.shape[1] * scale)), max(32, round(grey.shape[0] * scale)))
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def _edges(grey: Array) -> Array:
    soft = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 1.0)
    strength = cv2.magnitude(cv2.Sobel(soft, cv2.CV_32F, 1, 0), cv2.Sobel(soft, cv2.CV_32F, 0, 1))
    return strength / (float(strength.mean()) + 1e-3)


def shift(source: Array, target: Array) -> tuple[float, float] | None:
    """By how many pixels the target's edges lie off the source's; None where they lie right or nothing is sure."""
    one, other = _edges(source), _edges(target)
    window = cv2.createHanningWindow(one.shape[::-1], cv2.CV_32F)
    (x, y), response = cv2.phaseCorrelate(one, other, window)
    if response < SURE or max(abs(x), abs(y)) < MOVED or max(abs(x), abs(y)) > EDGE / 8:
        return None
    moved = cv2.warpAffine(one, np.array([[1, 0, x], [0, 1, y]], np.float32), one.shape[::-1])
    inner = tuple(slice(EDGE // 8, max(EDGE // 8 + 8, side - EDGE // 8)) for side in one.shape)
    before, after = float(np.abs(one - other)[inner].mean()), float(np.abs(moved - other)[inner].mean())
    return (x, y) if after < BETTER * before else None
