"""What each subject looks like: parts from back to front, painted like the scene says or in colours of their own."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from .canvas import Frame, Mask, Point, box, disc, oval, polygon, strokes, union
from .vocabulary import COLOURS

BODY: Final = "body"  # painted with the scene's colour, texture and material
WHITE: Final = (246, 246, 246)
DARK: Final = (16, 16, 18)
CRITTER_HIPS: Final = (-0.68, -0.24, 0.24, 0.68)  # where its legs grow, from left to right
BEETLE_HIPS: Final = (-0.38, 0.12, 0.62)  # on each side, from top to bottom
LIZARD_HIPS: Final = (-0.3, 0.42)


class Part(NamedTuple):
    """A region and its paint: `body`, or an RGB of its own."""

    mask: Mask
    paint: str | tuple[int, int, int] = BODY


Sides = tuple[Sequence[float], Sequence[float]]  # hips on the left and on the right
Drawer = Callable[[Frame, random.Random], list[Part]]


def parts(subject: str, frame: Frame, rng: random.Random) -> list[Part]:
    """The parts of a subject in this pose; `rng` moves limbs and tilts a little."""
    return _DRAWERS[subject](frame, rng)


def _tilted(frame: Frame, rng: random.Random, most: float = 0.14) -> Frame:
    return frame._replace(angle=rng.uniform(-most, most))


def _circle(frame: Frame, rng: random.Random) -> list[Part]:
    return [Part(disc(frame, (0, 0), 0.95))]


def _square(frame: Frame, rng: random.Random) -> list[Part]:
    return [Part(polygon(_tilted(frame, rng), box(-0.84, -0.84, 0.84, 0.84)))]


def _triangle(frame: Frame, rng: random.Random) -> list[Part]:
    return [Part(polygon(_tilted(frame, rng), ((0, -1.0), (1.0, 0.82), (-1.0, 0.82))))]


def _star(frame: Frame, rng: random.Random) -> list[Part]:
    corners = [((1.12, 0.46)[i % 2], i * math.pi / 5) for i in range(10)]
    outline = [(radius * math.sin(turn), -radius * math.cos(turn)) for radius, turn in corners]
    return [Part(polygon(_tilted(frame, rng), outline))]


def _ring(frame: Frame, rng: random.Random) -> list[Part]:
    whole, hole = disc(frame, (0, 0), 1.0), disc(frame, (0, 0), 0.5)
    return [Part(whole - (whole // 255) * hole)]


def _cross(frame: Frame, rng: random.Random) -> list[Part]:
    return [Part(polygon(_tilted(frame, rng), box(-0.34, -1, 0.34, 1), box(-1, -0.34, 1, 0.34)))]


def _critter(frame: Frame, rng: random.Random, hips: Sequence[float] = CRITTER_HIPS) -> list[Part]:
    """From the side: body, head, tail, one eye and four legs that stand apart."""
    facing = rng.choice((-1, 1))
    legs = []
    for hip in hips:
        swing = rng.uniform(-0.07, 0.07)
        legs.append(((hip, 0.1), (hip + swing, 0.55), (hip - swing * 0.5, 0.96)))
    lift = rng.uniform(0.3, 0.6)
    body = union(
        strokes(frame, 0.19, *legs),
        oval(frame, (0, -0.08), (0.84, 0.40)),
        disc(frame, (facing * 0.74, -0.58), 0.38),
        strokes(frame, 0.16, ((-facing * 0.7, -0.2), (-facing * 1.02, -0.2 - lift))),
    )
    return [Part(body), *_eye(frame, (facing * 0.84, -0.64))]


def _beetle(frame: Frame, rng: random.Random, sides: Sides = (BEETLE_HIPS, BEETLE_HIPS)) -> list[Part]:
    """From above: body, head, two eyes and three legs on each side."""
    legs: list[tuple[Point, ...]] = []
    for side, hips in zip((-1, 1), sides, strict=True):
        for hip in hips:
            swing = rng.uniform(-0.06, 0.06)
            legs.append(((side * 0.3, hip), (side * 0.7, hip - 0.12 + swing), (side * 1.02, hip + 0.06 + swing)))
    body = union(strokes(frame, 0.17, *legs), oval(frame, (0, 0.12), (0.5, 0.84)), disc(frame, (0, -0.74), 0.34))
    return [Part(body), *_eye(frame, (-0.17, -0.82), 0.13), *_eye(frame, (0.17, -0.82), 0.13)]


def _eye(frame: Frame, at: Point, radius: float = 0.17) -> list[Part]:
    return [Part(disc(frame, at, radius), WHITE), Part(disc(frame, at, radius * 0.55), DARK)]


def _robot(frame: Frame, rng: random.Random) -> list[Part]:
    wave = rng.uniform(-0.45, 0.45)
    arms = strokes(frame, 0.22, ((-0.6, 0.05), (-1.05, 0.05 - wave)), ((0.6, 0.05), (1.05, 0.05 + wave)))
    legs = polygon(frame, box(-0.55, 0.7, -0.2, 1.08), box(0.2, 0.7, 0.55, 1.08))
    return [
        Part(union(arms, legs), COLOURS["red"]),
        Part(polygon(frame, box(-0.7, -0.22, 0.7, 0.75)), COLOURS["blue"]),
        Part(polygon(frame, box(-0.55, -1.04, 0.55, -0.28)), COLOURS["yellow"]),
        Part(polygon(frame, box(-0.36, 0.08, 0.36, 0.42)), WHITE),
        *_eye(frame, (-0.25, -0.68)),
        *_eye(frame, (0.25, -0.68)),
    ]


def _mushroom(frame: Frame, rng: random.Random) -> list[Part]:
    cap = union(disc(frame, (0, -0.15), 0.95))
    cap[round(frame.y + 0.02 * frame.extent) :, :] = 0
    spots = union(disc(frame, (-0.45, -0.4), 0.17), disc(frame, (0.08, -0.72), 0.17), disc(frame, (0.5, -0.3), 0.17))
    return [
        Part(polygon(frame, ((-0.26, -0.1), (0.26, -0.1), (0.36, 1.0), (-0.36, 1.0))), (246, 226, 190)),
        Part(cap, COLOURS["red"]),
        Part(spots, WHITE),
    ]


def _lizard(frame: Frame, rng: random.Random, sides: Sides = (LIZARD_HIPS, LIZARD_HIPS)) -> list[Part]:
    """From above, four legs, a two-coloured body that no other creature has."""
    legs: list[tuple[Point, ...]] = []
    for side, hips in zip((-1, 1), sides, strict=True):
        for hip in hips:
            swing = rng.uniform(-0.07, 0.07)
            legs.append(((side * 0.2, hip), (side * 0.62, hip - 0.1 + swing), (side * 0.98, hip + 0.08 + swing)))
    tail = polygon(frame, ((-0.2, 0.6), (0.2, 0.6), (0.02, 1.15)))
    return [
        Part(union(strokes(frame, 0.18, *legs), tail), (36, 120, 60)),
        Part(oval(frame, (0, 0.1), (0.36, 0.68)), (132, 208, 62)),
        Part(disc(frame, (0, -0.72), 0.34), COLOURS["purple"]),
        *_eye(frame, (-0.16, -0.78), 0.13),
        *_eye(frame, (0.16, -0.78), 0.13),
    ]


def _rocket(frame: Frame, rng: random.Random) -> list[Part]:
    frame = _tilted(frame, rng, 0.25)
    fins = ((-0.34, 0.25), (-0.85, 0.95), (-0.2, 0.8)), ((0.34, 0.25), (0.85, 0.95), (0.2, 0.8))
    return [
        Part(polygon(frame, ((-0.24, 0.75), (0.24, 0.75), (0, 1.15))), COLOURS["orange"]),
        Part(polygon(frame, *fins), COLOURS["purple"]),
        Part(oval(frame, (0, -0.05), (0.42, 0.95)), WHITE),
        Part(polygon(frame, ((0, -1.1), (0.36, -0.5), (-0.36, -0.5))), COLOURS["red"]),
        Part(disc(frame, (0, 0.0), 0.2), COLOURS["blue"]),
    ]


def _fish(frame: Frame, rng: random.Random) -> list[Part]:
    facing = rng.choice((-1, 1))
    tail = ((-facing * 0.5, 0.0), (-facing * 1.08, -0.5), (-facing * 1.08, 0.5))
    body = oval(frame, (facing * 0.1, 0), (0.86, 0.56))
    stripes = polygon(frame, box(-0.28, -1, -0.08, 1), box(0.12, -1, 0.32, 1))
    return [
        Part(polygon(frame, tail), COLOURS["blue"]),
        Part(body, COLOURS["orange"]),
        Part((body // 255) * stripes, WHITE),
        *_eye(frame, (facing * 0.66, -0.12)),
    ]


def _cottage(frame: Frame, rng: random.Random) -> list[Part]:
    return [
        Part(polygon(frame, box(-0.74, -0.2, 0.74, 0.95)), COLOURS["yellow"]),
        Part(polygon(frame, ((0, -1.08), (1.02, -0.12), (-1.02, -0.12))), COLOURS["purple"]),
        Part(polygon(frame, box(-0.5, 0.2, -0.12, 0.95)), (120, 70, 40)),
        Part(polygon(frame, box(0.16, 0.14, 0.56, 0.5)), COLOURS["cyan"]),
    ]


def critter(hips: Sequence[float]) -> Drawer:
    """A critter with legs at these hips."""
    return lambda frame, rng: _critter(frame, rng, hips)


def beetle(sides: Sides) -> Drawer:
    """A beetle with legs at these hips of its left and right side."""
    return lambda frame, rng: _beetle(frame, rng, sides)


def lizard(sides: Sides) -> Drawer:
    """A lizard with legs at these hips of its left and right side."""
    return lambda frame, rng: _lizard(frame, rng, sides)


_DRAWERS: Final[dict[str, Drawer]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "ring": _ring,
    "cross": _cross,
    "critter": _critter,
    "beetle": _beetle,
    "robot": _robot,
    "mushroom": _mushroom,
    "lizard": _lizard,
    "rocket": _rocket,
    "fish": _fish,
    "cottage": _cottage,
}
