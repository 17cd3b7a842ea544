"""From a scene to its picture: uint8 RGB [edge, edge, 3], the same for the same scene on every machine of one kind."""

from __future__ import annotations

import random
from functools import partial
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from .canvas import Frame, Mask, union
from .scene import Scene
from .styles import stylised
from .subjects import BODY, Drawer, Part, parts
from .vocabulary import COLOURS, PIXELS, POSITIONS, SIZES

Picture = NDArray[np.uint8]
Field = NDArray[np.float32]

OVERSAMPLING: Final = 3
JITTER: Final = 8.0  # of a background's channels, in sRGB steps
REACH: Final = 0.2  # how far from the centre a subject stands, as a share of the edge


def render(scene: Scene, edge: int = PIXELS, drawer: Drawer | None = None) -> Picture:
    """The picture of a scene, drawn three times too large and averaged down. `drawer` replaces the subject's own."""
    rng = random.Random(scene.seed)
    size = edge * OVERSAMPLING
    picture = _background(scene, size, rng)
    frame = place(scene, size, rng)
    pieces = (drawer or partial(parts, scene.subject))(frame, rng)
    silhouette = union(*(piece.mask for piece in pieces))
    if scene.medium == "photo":
        picture *= (1 - 0.45 * _shadow(silhouette, size))[..., None]
    else:
        picture = _blend(picture, _outline(silhouette, scene, size), _ink(scene))
    for piece in pieces:
        picture = _blend(picture, piece.mask, _paint(piece, scene, frame))
    if scene.light == "dim":
        picture *= _vignette(size)[..., None]
    return stylised(_reduced(picture, edge), scene.style)


def mask(scene: Scene, edge: int = PIXELS, drawer: Drawer | None = None) -> Mask:
    """Where the subject is: uint8 [edge, edge], 255 inside."""
    rng = random.Random(scene.seed)
    size = edge * OVERSAMPLING
    _background(scene, size, rng)
    pieces = (drawer or partial(parts, scene.subject))(place(scene, size, rng), rng)
    whole = union(*(piece.mask for piece in pieces))
    return np.asarray(cv2.resize(whole, (edge, edge), interpolation=cv2.INTER_AREA), np.uint8)


def place(scene: Scene, size: int, rng: random.Random) -> Frame:
    """Where the subject stands: never cut by the edge, with a little jitter of place and size."""
    extent = SIZES[scene.size] * size * rng.uniform(0.95, 1.05)
    reach = min(REACH * size, size / 2 - 1.16 * extent)
    right, down = POSITIONS[scene.position]
    jitter = 0.015 * size
    x = size / 2 + right * reach + rng.uniform(-jitter, jitter)
    y = size / 2 + down * reach + rng.uniform(-jitter, jitter)
    return Frame(size, x, y, extent)


def _background(scene: Scene, size: int, rng: random.Random) -> Field:
    colour = np.array(COLOURS[scene.ground], np.float32)
    colour = colour + np.array([rng.uniform(-JITTER, JITTER) for _ in range(3)], np.float32)
    picture = np.broadcast_to(colour, (size, size, 3)).astype(np.float32)
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    if scene.background == "gradient":
        picture *= (1.1 - 0.6 * y)[..., None]
        picture += (40 * (1 - y))[..., None] if scene.ground == "black" else 0
    elif scene.background == "tiled":
        odd = (np.floor(x * 4) + np.floor(y * 4)) % 2
        picture = picture + (44 * odd)[..., None] if scene.ground == "black" else picture * (1 - 0.3 * odd)[..., None]
    return picture


def _shadow(silhouette: Mask, size: int) -> Field:
    moved = np.roll(silhouette, (int(0.05 * size), int(0.03 * size)), (0, 1))
    return np.asarray(cv2.GaussianBlur(moved, (0, 0), 0.03 * size) / 255.0, np.float32)


def _outline(silhouette: Mask, scene: Scene, size: int) -> Mask:
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * OVERSAMPLING + 1,) * 2)
    return np.asarray(cv2.dilate(silhouette, kernel), np.uint8)


def _ink(scene: Scene) -> Field:
    bright = 226.0 if "black" in (scene.colour, scene.ground) else 20.0
    return np.full(3, bright, np.float32)


def _paint(piece: Part, scene: Scene, frame: Frame) -> Field:
    """The paint of a part at every pixel: [size, size, 3]."""
    y, x = np.mgrid[0 : frame.edge, 0 : frame.edge].astype(np.float32)
    u, v = (x - frame.x) / frame.extent, (y - frame.y) / frame.extent
    body = piece.paint == BODY
    colour = np.array(COLOURS[scene.colour] if isinstance(piece.paint, str) else piece.paint, np.float32)
    paint = np.broadcast_to(colour, (frame.edge, frame.edge, 3)).copy()
    if body and scene.texture != "plain":
        paint[_pattern(scene.texture, u, v)] = _second(colour)
    if scene.medium == "photo":
        paint *= (1.1 - 0.1 * (v + 1))[..., None]
    if scene.light == "side":
        paint *= np.where(u > 0, 0.6, 1.05).astype(np.float32)[..., None]
    if body and scene.material == "shiny":
        glint = np.exp(-((u + 0.32) ** 2 + (v + 0.3) ** 2) / 0.05)
        paint += (255 - paint) * (0.9 * glint)[..., None]
    return paint


def _pattern(texture: str, u: Field, v: Field) -> NDArray[np.bool_]:
    if texture == "striped":
        stripes: NDArray[np.bool_] = ((u + v) * 1.7) % 1 < 0.45
        return stripes
    dots: NDArray[np.bool_] = ((u * 1.9) % 1 - 0.5) ** 2 + ((v * 1.9) % 1 - 0.5) ** 2 < 0.085
    return dots


def _second(colour: Field) -> Field:
    """The other colour of a pattern: darker, or lighter where the first is dark."""
    return np.asarray(colour * 0.42 if colour.mean() > 105 else colour * 0.5 + 128, np.float32)


def _vignette(size: int) -> Field:
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size - 0.5
    return np.asarray(0.62 - 0.5 * (x * x + y * y), np.float32)


def _blend(picture: Field, where: Mask, paint: Field) -> Field:
    share = where.astype(np.float32)[..., None] / 255
    return np.asarray(picture * (1 - share) + paint * share, np.float32)


def _reduced(picture: Field, edge: int) -> Picture:
    small = cv2.resize(np.clip(picture, 0, 255), (edge, edge), interpolation=cv2.INTER_AREA)
    return np.asarray(np.clip(small + 0.5, 0, 255), np.uint8)
