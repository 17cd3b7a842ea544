"""Contact sheets: many small pictures on one."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray


def sheet(pictures: Sequence[NDArray[np.uint8]], columns: int, scale: int = 2, gap: int = 2) -> NDArray[np.uint8]:
    """Pictures of one size [h, w, 3] in rows of `columns`, enlarged by `scale` without smoothing."""
    height, width = pictures[0].shape[:2]
    rows = -(-len(pictures) // columns)
    page = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 255, np.uint8)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        top, left = gap + row * (height + gap), gap + column * (width + gap)
        page[top : top + height, left : left + width] = picture
    return np.asarray(cv2.resize(page, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST), np.uint8)


def write(path: str, picture: NDArray[np.uint8]) -> None:
    """An RGB picture as PNG."""
    cv2.imwrite(path, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
