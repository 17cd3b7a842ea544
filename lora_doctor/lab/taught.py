"""What a LoRA of a micro model has learned and what that cost, by ground truth: new contexts, other prompts, copies."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lora_doctor.train.families import Family, Models

from .exam import drawn
from .truth.copies import nearest
from .truth.look import LEGS, look
from .truth.obedience import is_style, is_subject, obedience
from .truth.outcome import colours_apart
from .world.folders import Asked, captioned, planned
from .world.render import render
from .world.scene import Scene, caption, random_scene, scenes
from .world.vocabulary import HELD_OUT_STYLES, SUBJECTS

NEW, OTHER = 500, 600  # seeds of contexts and of other prompts that no training saw
TOLD: Final = ("subject", "colour", "ground", "position")  # attributes that count as obeyed
Picture = NDArray[np.uint8]
Pairs = Sequence[tuple[Scene, Picture]]


class Truth(NamedTuple):
    """Shares from 0 to 1, None where not asked.

    `taught`: the subject or style is recognised in new contexts; `context`: colour of the ground and place obeyed
    there (of a style: subject and place); `others`: attributes of prompts without the trigger obeyed; `legs_right`,
    `legs_wrong`: creatures with the right and with another number of legs, of the taught one where it is a creature,
    else of other prompts (the rest can't be counted for sure); `copies`: training captions that come back as their
    training picture; `saturation`, `detail`: mean saturation and mean absolute Laplacian of other prompts, in levels of
    255; `colours`: how far their mean colours lie apart, by what renders of the same scenes do (1: as far).
    """

    taught: float
    context: float
    others: float
    legs_right: float | None
    legs_wrong: float | None
    copies: float
    saturation: float
    detail: float
    colours: float


class Drawn(NamedTuple):
    """What a model draws, measured: of new contexts, of other prompts, of training captions."""

    truth: Truth
    new: list[Picture]
    other: list[Picture]
    again: list[Picture]


def contexts(asked: Asked, number: int) -> list[Scene]:
    """New contexts for what was taught."""
    rng = random.Random(NEW)
    if asked.what in HELD_OUT_STYLES:
        return [random_scene(rng)._replace(style=asked.what) for _ in range(number)]
    return [random_scene(rng, (asked.what,)) for _ in range(number)]


def look_at(
    family: Family,
    models: Models,
    asked: Asked,
    number: int,
    subjects: Sequence[str] = SUBJECTS,
    steps: int | None = None,
) -> Drawn:
    """What the model draws as it is: `number` pictures of new contexts, as many of other prompts, half of training.

    `subjects`: what other prompts ask for; `steps` of the sampler, None: as many as the model's card says.
    """
    new, other, training = contexts(asked, number), scenes(OTHER, number, subjects), planned(asked)
    whole = asked._replace(alike=False)
    of_new = drawn(family, models, [captioned(scene, whole) for scene in new], steps=steps)
    of_other = drawn(family, models, [caption(scene) for scene in other], seed=1000, steps=steps)
    again = [scene for scene in training for _ in range(max(1, number // 2 // len(training)))]
    of_training = drawn(family, models, [captioned(scene, asked) for scene in again], seed=2000, steps=steps)
    truth = measured(asked, list(zip(new, of_new, strict=True)), list(zip(other, of_other, strict=True)))
    copies = _mean(nearest(picture, training).copy for picture in of_training)
    return Drawn(truth._replace(copies=copies), of_new, of_other, of_training)


def measured(asked: Asked, new: Pairs, other: Pairs) -> Truth:
    """Ground truth of pictures of new contexts and of other prompts; copies are not asked."""
    seen = look([picture for _, picture in new])
    a_style = asked.what in HELD_OUT_STYLES
    share, kept = (is_style, ("subject", "position")) if a_style else (is_subject, ("ground", "position"))
    hits = [obedience(each, scene) for each, (scene, _) in zip(seen, new, strict=True)]
    rest = [obedience(picture, scene) for scene, picture in other]
    legs = [hit["legs"] for hit in (hits if asked.what in LEGS else rest) if "legs" in hit]
    return Truth(
        taught=_mean(share(each, asked.what) > 0.5 for each in seen),
        context=_mean(hit[name] is True for hit in hits for name in kept if name in hit),
        others=_mean(hit[name] is True for hit in rest for name in TOLD if name in hit),
        legs_right=_mean(hit is True for hit in legs) if legs else None,
        legs_wrong=_mean(hit is False for hit in legs) if legs else None,
        copies=0.0,
        saturation=_mean(float(np.ptp(picture.astype(np.float32), 2).mean()) for _, picture in other),
        detail=_mean(_detail(picture.astype(np.float32).mean(2)) for _, picture in other),
        colours=colours_apart([picture for _, picture in other]) / colours_apart([render(scene) for scene, _ in other]),
    )


def _detail(grey: NDArray[np.float32]) -> float:
    """Mean absolute Laplacian."""
    inner = 4 * grey[1:-1, 1:-1]
    return float(np.abs(inner - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]).mean())


def _mean(values: Iterable[float | bool]) -> float:
    return float(np.mean([float(value) for value in values]))
