"""Held-out styles: what a style LoRA is trained on. Each maps a finished picture to the same scene in that style."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def stylised(picture: Picture, style: str) -> Picture:
    """The picture in a style; `none` leaves it."""
    return picture if style == "none" else _STYLES[style](picture)


def _luma(picture: Picture) -> NDArray[np.float32]:
    return np.asarray(picture @ np.array([0.299, 0.587, 0.114], np.float32) / 255, np.float32)


def _ramp(luma: NDArray[np.float32], dark: tuple[int, ...], light: tuple[int, ...]) -> Picture:
    low, high = np.array(dark, np.float32), np.array(light, np.float32)
    return np.asarray(np.clip(low + (high - low) * luma[..., None] + 0.5, 0, 255), np.uint8)


def _edges(picture: Picture) -> NDArray[np.float32]:
    smooth = picture.astype(np.float32)
    across = np.abs(cv2.Sobel(smooth, cv2.CV_32F, 1, 0)).max(2) + np.abs(cv2.Sobel(smooth, cv2.CV_32F, 0, 1)).max(2)
    return np.asarray(np.clip(across / 320, 0, 1), np.float32)


def _sepia(picture: Picture) -> Picture:
    return _ramp(_luma(picture), (44, 24, 12), (252, 226, 178))


def _monochrome(picture: Picture) -> Picture:
    return _ramp(np.clip((_luma(picture) - 0.5) * 1.3 + 0.5, 0, 1), (0, 0, 0), (255, 255, 255))


def _blueprint(picture: Picture) -> Picture:
    return _ramp(_edges(picture), (24, 60, 150), (236, 244, 255))


def _neon(picture: Picture) -> Picture:
    glow = _edges(picture)[..., None]
    vivid = picture.astype(np.float32) - picture.min(2, keepdims=True) + 60
    return np.asarray(np.clip(picture * 0.16 + glow * vivid * 1.1, 0, 255), np.uint8)


def _mosaic(picture: Picture) -> Picture:
    edge = picture.shape[0]
    coarse = cv2.resize(picture, (edge // 4, edge // 4), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(coarse, (edge, edge), interpolation=cv2.INTER_NEAREST), np.uint8)


def _pastel(picture: Picture) -> Picture:
    return np.asarray(np.clip(picture * 0.42 + 146, 0, 255), np.uint8)


_STYLES: Final[dict[str, Callable[[Picture], Picture]]] = {
    "sepia": _sepia,
    "neon": _neon,
    "mosaic": _mosaic,
    "blueprint": _blueprint,
    "monochrome": _monochrome,
    "pastel": _pastel,
}
