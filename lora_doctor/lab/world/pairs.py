"""Before and after: two scenes that differ in one attribute, and the instruction that leads from one to the other."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from .scene import Scene, random_scene
from .vocabulary import COLOURS, SUBJECTS


class Edit(NamedTuple):
    """One pair; pose, place and tint are the same in both."""

    instruction: str
    before: Scene
    after: Scene


def _recoloured(scene: Scene, rng: random.Random) -> Edit:
    colour = rng.choice([c for c in COLOURS if c not in (scene.colour, scene.ground)])
    return Edit(f"make the {scene.subject} {colour}", scene, scene._replace(colour=colour))


def _shone(scene: Scene, rng: random.Random) -> Edit:
    matte, shiny = scene._replace(material="matte"), scene._replace(material="shiny")
    if rng.random() < 0.5:
        return Edit(f"make the {scene.subject} shiny", matte, shiny)
    return Edit(f"remove the shine from the {scene.subject}", shiny, matte)


def _patterned(scene: Scene, rng: random.Random) -> Edit:
    texture, word = rng.choice((("striped", "stripes"), ("dotted", "dots")))
    plain, other = scene._replace(texture="plain"), scene._replace(texture=texture)
    if rng.random() < 0.5:
        return Edit(f"add {word} to the {scene.subject}", plain, other)
    return Edit(f"remove the {word} from the {scene.subject}", other, plain)


def _grounded(scene: Scene, rng: random.Random) -> Edit:
    ground = rng.choice([c for c in COLOURS if c not in (scene.colour, scene.ground)])
    return Edit(f"make the background {ground}", scene, scene._replace(ground=ground))


def _drawn(scene: Scene, rng: random.Random) -> Edit:
    photo, drawing = scene._replace(medium="photo"), scene._replace(medium="drawing")
    if rng.random() < 0.5:
        return Edit("turn the photo into a drawing", photo, drawing)
    return Edit("turn the drawing into a photo", drawing, photo)


def _lit(scene: Scene, rng: random.Random) -> Edit:
    light = rng.choice(("side", "dim"))
    return Edit(f"turn the light into {light} light", scene._replace(light="soft"), scene._replace(light=light))


KINDS: Final[dict[str, Callable[[Scene, random.Random], Edit]]] = {
    "recolour": _recoloured,
    "shine": _shone,
    "pattern": _patterned,
    "background": _grounded,
    "medium": _drawn,
    "light": _lit,
}


def edits(
    seed: int, number: int, kinds: Sequence[str] = tuple(KINDS), subjects: Sequence[str] = SUBJECTS
) -> list[Edit]:
    """`number` pairs of one seed, of the kinds named (keys of `KINDS`)."""
    rng = random.Random(seed)
    return [KINDS[rng.choice(list(kinds))](random_scene(rng, subjects), rng) for _ in range(number)]
