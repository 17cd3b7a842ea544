"""How close a picture is to a training picture, and whether that is a copy or only the same caption drawn again.

The world can draw a scene again: same caption, another pose, jitter of place, size and tint. A picture that is nearer
to the training picture than to sixteen such look-alikes of it remembers what the caption does not say.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..world.render import Picture, render
from ..world.scene import Scene

Pixels = NDArray[np.float32]

SMOOTH: Final = 2.0  # px: what a VAE blurs away does not count, where things stand does
LOOK_ALIKES: Final = 16
COPY: Final = 0.8  # ratio below which a picture is a copy
_FIRST_SEED: Final = 2_000_000_000  # above every seed that a scene is drawn with


class Nearest(NamedTuple):
    """The training picture nearest to a picture: its `number` in the list.

    `distance`: root mean square over channels of the smoothed difference, 0 to 1. `ratio`: this distance over the one
    to the nearest look-alike; about 1 or more for a picture that follows the caption, near 0 for a copy.
    """

    number: int
    distance: float
    ratio: float

    @property
    def copy(self) -> bool:
        """Whether it is the training picture itself that came back."""
        return self.ratio < COPY


def distance(one: Picture, other: Picture) -> float:
    """Root mean square of the difference of two pictures after smoothing, 0 to 1."""
    return _apart(_smooth(one), _smooth(other))


def nearest(picture: Picture, training: Sequence[Scene]) -> Nearest:
    """The nearest of the training scenes' pictures; `training` must not be empty."""
    seen = _smooth(picture)
    distances = [_apart(seen, _drawn(scene, scene.seed)) for scene in training]
    index = int(np.argmin(distances))
    scene = training[index]
    others = [_apart(seen, _drawn(scene, _FIRST_SEED + turn)) for turn in range(LOOK_ALIKES)]
    return Nearest(index, distances[index], distances[index] / max(min(others), 1e-6))


@lru_cache(4096)
def _drawn(scene: Scene, seed: int) -> Pixels:
    return _smooth(render(scene._replace(seed=seed)))


def _smooth(picture: Picture) -> Pixels:
    return np.asarray(cv2.GaussianBlur(picture.astype(np.float32) / 255, (0, 0), SMOOTH), np.float32)


def _apart(one: Pixels, other: Pixels) -> float:
    return float(np.sqrt(np.mean((one - other) ** 2)))
