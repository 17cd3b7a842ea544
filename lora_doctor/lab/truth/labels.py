"""Which attributes a scene's picture can be asked for, and their class numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..world.scene import Scene
from ..world.vocabulary import ATTRIBUTES, HELD_OUT_SUBJECTS

UNASKED: Final = -1  # class number of an attribute that the picture cannot show
PAINT: Final = ("colour", "texture", "material")  # a held-out subject has its own
IN_ANY_STYLE: Final = ("subject", "position", "size", "style")  # a style may hide all else


def shown(scene: Scene) -> tuple[str, ...]:
    """The attributes that the picture of a scene shows for certain."""
    if scene.style != "none":
        return IN_ANY_STYLE
    return tuple(name for name in ATTRIBUTES if scene.subject not in HELD_OUT_SUBJECTS or name not in PAINT)


def classes(scenes: Sequence[Scene]) -> NDArray[np.int64]:
    """Class numbers [N, 11] in the order of `ATTRIBUTES`; `UNASKED` where the picture does not show it."""
    rows = []
    for scene in scenes:
        asked = shown(scene)
        rows.append([a.index(getattr(scene, name)) if name in asked else UNASKED for name, a in ATTRIBUTES.items()])
    return np.array(rows, np.int64)
