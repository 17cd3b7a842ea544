"""Does a picture show what was asked for? Per attribute: yes, no, or unsure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..world.render import Picture
from ..world.scene import Scene
from .labels import shown
from .look import LEGS, Seen, look


class Score(NamedTuple):
    """How often an attribute was asked for, obeyed, and how often the judge was unsure (which is not obeyed)."""

    asked: int
    obeyed: int
    unsure: int

    @property
    def rate(self) -> float:
        """Share obeyed of those asked for, 0 to 1."""
        return self.obeyed / self.asked if self.asked else 0.0


def obedience(picture: Picture | Seen, scene: Scene) -> dict[str, bool | None]:
    """Per attribute that the scene's picture shows, and `legs` of a creature: obeyed, not, or None where unsure."""
    seen = picture if isinstance(picture, Seen) else look([picture])[0]
    hits: dict[str, bool | None] = {}
    for name in shown(scene):
        word = seen.answers[name].word
        hits[name] = None if word is None else word == getattr(scene, name)
    if scene.subject in LEGS:
        counted = seen.legs(scene.subject)
        hits["legs"] = None if counted is None else counted == LEGS[scene.subject]
    return hits


def table(pairs: Sequence[tuple[Scene, Picture]]) -> dict[str, Score]:
    """Scores over many pictures: per attribute, `legs`, and per subject as `subject circle`, `legs critter`..."""
    seen = look([picture for _, picture in pairs])
    hits: dict[str, list[bool | None]] = defaultdict(list)
    for (scene, _), each in zip(pairs, seen, strict=True):
        for name, hit in obedience(each, scene).items():
            hits[name].append(hit)
            if name in ("subject", "legs"):
                hits[f"{name} {scene.subject}"].append(hit)
    return {name: _score(each) for name, each in sorted(hits.items())}


def _score(hits: Iterable[bool | None]) -> Score:
    hits = list(hits)
    return Score(len(hits), hits.count(True), hits.count(None))


def is_subject(seen: Seen, subject: str) -> float:
    """Probability that the picture shows this subject, 0 to 1: is it the one that was trained?"""
    return seen.shares["subject"][subject]


def is_style(seen: Seen, style: str) -> float:
    """Probability that the picture is in this style, 0 to 1."""
    return seen.shares["style"][style]
