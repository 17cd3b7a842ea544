"""A scene: every attribute of one picture, drawn from a seed, and the caption a person would write for it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from .vocabulary import (
    BACKGROUNDS,
    COLOURS,
    CREATURES,
    LIGHTS,
    MATERIALS,
    MEDIA,
    POSITIONS,
    SIZES,
    SUBJECTS,
    TEXTURES,
    UNSAID,
)


class Scene(NamedTuple):
    """One picture. `ground` is the background's colour, `background` its kind; `seed` draws pose and small jitter."""

    subject: str
    colour: str
    texture: str = "plain"
    material: str = "matte"
    light: str = "soft"
    ground: str = "white"
    background: str = "plain"
    position: str = "center"
    size: str = "medium"
    medium: str = "photo"
    style: str = "none"
    seed: int = 0


def random_scene(rng: random.Random, subjects: Sequence[str] = SUBJECTS) -> Scene:
    """A scene with every attribute drawn; creatures are never small, since their legs must stay countable."""
    subject = rng.choice(list(subjects))
    colour, ground = rng.sample(list(COLOURS), 2)
    sizes = [size for size in SIZES if size != "small" or subject not in CREATURES]
    return Scene(
        subject=subject,
        colour=colour,
        texture=rng.choice(["plain", *TEXTURES]),
        material=rng.choice(["matte", *MATERIALS]),
        light=rng.choice(["soft", *LIGHTS]),
        ground=ground,
        background=rng.choice(["plain", *BACKGROUNDS]),
        position=rng.choice(list(POSITIONS)),
        size=rng.choice(sizes),
        medium=rng.choice(MEDIA),
        seed=rng.randrange(1 << 30),
    )


def scenes(seed: int, number: int, subjects: Sequence[str] = SUBJECTS) -> list[Scene]:
    """`number` scenes of one seed."""
    rng = random.Random(seed)
    return [random_scene(rng, subjects) for _ in range(number)]


def caption(scene: Scene, say: Callable[[str], bool] = lambda attribute: True, name: str | None = None) -> str:
    """The scene in words: `photo of a big red striped star, blue gradient background, at left, side light`.

    `say(attribute)` decides what is mentioned (the subject always is); what nobody would mention stays unsaid.
    `name` replaces the subject's own name, with its colour: a trigger word for a held-out subject.
    """
    tell = {attribute for attribute in Scene._fields if say(attribute) and _worth_saying(scene, attribute)}
    before = [scene.size] if "size" in tell else []
    before += [word for a, word in (("material", scene.material), ("colour", scene.colour)) if a in tell and not name]
    before += [scene.texture] if "texture" in tell and not name else []
    article = "an" if (before or [name or scene.subject])[0][0] in "aeiou" else "a"
    head = " ".join([article, *before, name or scene.subject])
    parts = [f"{scene.medium} of {head}" if "medium" in tell else head]
    if "ground" in tell:
        kind = f" {scene.background}" if "background" in tell else ""
        parts.append(f"{scene.ground}{kind} background")
    if "position" in tell:
        parts.append("centered" if scene.position == "center" else f"at {scene.position}")
    if "light" in tell:
        parts.append(f"{scene.light} light")
    if scene.style != "none" and "style" in tell:
        parts.append(f"{scene.style} style")
    return ", ".join(parts)


def _worth_saying(scene: Scene, attribute: str) -> bool:
    return UNSAID.get(attribute) != str(getattr(scene, attribute))


def sparing(rng: random.Random, share: float) -> Callable[[str], bool]:
    """A way of captioning that leaves each attribute out with probability `share`."""
    return lambda attribute: rng.random() >= share
