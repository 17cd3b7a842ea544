"""What came out of a training, told by ground truth: the labels that a diagnosis is held against.

The limits below were written down before any verdict of the doctor was looked at. Between `PRESENT` and `ABSENT` lies
what a fair judge would leave open: such runs count neither as ill nor as healthy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..world.render import Picture, render
from ..world.scene import Scene
from ..world.vocabulary import HELD_OUT_STYLES
from .copies import nearest
from .look import LEGS, Seen, look
from .obedience import is_style, is_subject, obedience

STRONG: Final = 1.5  # strength that users turn a LoRA up to (ai-toolkit issue 664: 1.5 to 2)
TOLD: Final = ("subject", "colour", "ground", "position")  # of prompts that have nothing to do with what is taught
KNOWN: Final = 0.5  # probability from which the taught subject or style counts as recognised
KNOWN_LEGS: Final = 0.92  # right of creatures that the base model knows (docs/lab.md), where it doesn't the one taught
FEWEST_CREATURES: Final = 12  # pictures without which nothing is said of legs: one of a dozen is chance


class Limits(NamedTuple):
    """From `present` on a symptom is there, up to `absent` it is not."""

    present: float
    absent: float


# Each with its reason. Shares are of pictures, losses against what the base model does at the same kind of prompt.
LIMITS: Final[Mapping[str, Limits]] = {
    # one training caption in four gives its training picture back; look-alikes pass for copies in under 1 of 40
    "training-images-reproduced": Limits(0.25, 0.10),
    # legs that are right, lost: the counter errs in 3 %, the base model draws 4 % wrong
    "anatomy-at-risk": Limits(0.20, 0.10),
    # spread of the pictures' mean colours lost, against renders of the very same scenes
    "colours-collapsed": Limits(0.50, 0.30),
    # places (and grounds, where no style hides them) asked for together with the trigger that are not drawn any more
    "prompt-ignored": Limits(0.25, 0.12),
    # of what is obeyed at strength 1, lost at STRONG
    "artefacts-at-high-strength": Limits(0.25, 0.12),
    # attributes of prompts without the trigger not drawn any more
    "base-forgotten": Limits(0.25, 0.12),
    # mean saturation above that of renders of the same scenes, as a share
    "oversaturated": Limits(0.30, 0.15),
    # mean distance between two pictures lost, against renders of the same scenes
    "samples-all-alike": Limits(0.40, 0.25),
    # new contexts in which what is taught is not recognised
    "under-trained": Limits(0.50, 0.25),
    # prompts without the trigger in which what is taught is seen all the same
    "trigger-leaks": Limits(0.25, 0.10),
}

HARMS: Final = (  # symptoms with which a checkpoint is not worth keeping; legs are only counted of creatures that are
    # recognised, and would condemn the better checkpoint
    "training-images-reproduced",
    "colours-collapsed",
    "prompt-ignored",
    "base-forgotten",
)


class Outcome(NamedTuple):
    """Ground truth of one checkpoint; shares from 0 to 1, ratios to renders of the same scenes; None: not asked.

    taught: recognised in new contexts; context: place and ground obeyed there; others: attributes obeyed without the
    trigger; legs: right, of `creatures` pictures; copies: training captions that give their picture back; leaked: seen
    without the trigger; spread of mean colours, saturation, detail and variety: by those of renders; strong: of what is
    obeyed at strength 1, kept at `STRONG`, None where it was not drawn.
    """

    taught: float
    context: float
    others: float
    legs: float | None
    creatures: int
    copies: float
    leaked: float
    spread: float
    saturation: float
    detail: float
    variety: float
    strong: float | None = None


class Drawn(NamedTuple):
    """Scenes with what was drawn for them: new contexts, prompts without the trigger, training captions again."""

    new: Sequence[tuple[Scene, Picture]]
    other: Sequence[tuple[Scene, Picture]]
    again: Sequence[Picture]
    strong_new: Sequence[tuple[Scene, Picture]] = ()
    strong_other: Sequence[tuple[Scene, Picture]] = ()


def outcome(what: str, drawn: Drawn, training: Sequence[Scene]) -> Outcome:
    """Measure what was drawn; `what` is the subject or style taught, `training` the scenes trained on."""
    seen_new, seen_other = ([*look([p for _, p in pairs])] for pairs in (drawn.new, drawn.other))
    share = is_style if what in HELD_OUT_STYLES else is_subject
    legs = [*_legs(drawn.new, seen_new), *_legs(drawn.other, seen_other)]
    renders = [render(scene) for scene, _ in drawn.new]
    pictures = [picture for _, picture in drawn.new]
    return Outcome(
        taught=_mean(share(each, what) > KNOWN for each in seen_new),
        context=context_obeyed(what, drawn.new, seen_new),
        others=others_obeyed(drawn.other, seen_other),
        legs=_mean(legs) if len(legs) >= FEWEST_CREATURES else None,
        creatures=len(legs),
        copies=_mean(nearest(picture, training).copy for picture in drawn.again),
        leaked=_mean(share(each, what) > KNOWN for each in seen_other),
        spread=colours_apart(pictures) / max(colours_apart(renders), 1e-6),
        saturation=_saturation(pictures) / max(_saturation(renders), 1.0),
        detail=_detail(pictures) / max(_detail(renders), 1e-6),
        variety=_apart(pictures) / max(_apart(renders), 1e-6),
        strong=_strong(what, drawn) if drawn.strong_new else None,
    )


def context_obeyed(what: str, pairs: Sequence[tuple[Scene, Picture]], seen: Sequence[Seen]) -> float:
    """Share of places, and of grounds where no style hides them, that are as asked."""
    kept = ("position",) if what in HELD_OUT_STYLES else ("ground", "position")
    return _obeyed(pairs, seen, kept)


def others_obeyed(pairs: Sequence[tuple[Scene, Picture]], seen: Sequence[Seen]) -> float:
    """Share of attributes that are as asked."""
    return _obeyed(pairs, seen, TOLD)


def labels(found: Outcome, base: Outcome) -> dict[str, bool | None]:
    """Which symptoms a checkpoint has; None where that is left open or was not asked. base: of the model without it."""
    usual = KNOWN_LEGS if base.legs is None else base.legs
    lost: dict[str, float | None] = {
        "training-images-reproduced": found.copies,
        "anatomy-at-risk": None if found.legs is None else usual - found.legs,
        "colours-collapsed": 1 - found.spread,
        "prompt-ignored": base.context - found.context,
        "artefacts-at-high-strength": None if found.strong is None else 1 - found.strong,
        "base-forgotten": base.others - found.others,
        "oversaturated": found.saturation / base.saturation - 1,
        "samples-all-alike": 1 - found.variety,
        "under-trained": 1 - found.taught,
        "trigger-leaks": found.leaked,
    }
    told = {name: _label(value, LIMITS[name]) for name, value in lost.items()}
    if any(told[name] for name in HARMS) and told["under-trained"] is not False:
        told["under-trained"] = None  # what is broken can't show what it has learned
    if told["prompt-ignored"] or told["base-forgotten"]:
        told["artefacts-at-high-strength"] = None  # nor, at strength 1 already, what more strength would break
    return told


def usable(found: Outcome, base: Outcome, best: float) -> bool:
    """Whether a checkpoint may be kept: what is taught is there, as well as anywhere in the run, and nothing is broken.

    best: the largest `taught` of the run.
    """
    told = labels(found, base)
    learned = found.taught >= max(1 - LIMITS["under-trained"].present, best - LIMITS["under-trained"].absent)
    return learned and not any(told[name] for name in HARMS)


def _label(value: float | None, limits: Limits) -> bool | None:
    if value is None:
        return None
    return True if value >= limits.present else False if value <= limits.absent else None


def _obeyed(pairs: Sequence[tuple[Scene, Picture]], seen: Sequence[Seen], names: Sequence[str]) -> float:
    hits = [obedience(each, scene) for (scene, _), each in zip(pairs, seen, strict=True)]
    return _mean(hit[name] is True for hit in hits for name in names if name in hit)


def _legs(pairs: Sequence[tuple[Scene, Picture]], seen: Sequence[Seen]) -> list[bool]:
    """Whether each creature that is recognised has as many as it should; what can't be counted has not."""
    found = []
    for (scene, _), each in zip(pairs, seen, strict=True):
        if scene.subject in LEGS and scene.style == "none" and is_subject(each, scene.subject) > KNOWN:
            found.append(each.legs(scene.subject) == LEGS[scene.subject])
    return found


def _strong(what: str, drawn: Drawn) -> float:
    """Obeyed at `STRONG` by obeyed at strength 1, of the same prompts and seeds."""
    kept = []
    for pairs, strong in ((drawn.new, drawn.strong_new), (drawn.other, drawn.strong_other)):
        asked = list(pairs[: len(strong)])
        both = [look([p for _, p in some]) for some in (asked, strong)]
        share = context_obeyed if pairs is drawn.new else lambda _, some, seen: others_obeyed(some, seen)
        kept.append((share(what, asked, both[0]), share(what, strong, both[1])))
    before, after = (sum(each[side] for each in kept) for side in (0, 1))
    return after / before if before > 0 else 1.0


def _mean(values: Iterable[float | bool]) -> float:
    found = [float(value) for value in values]
    return float(np.mean(found)) if found else 0.0


def _means(pictures: Sequence[Picture]) -> NDArray[np.float32]:
    """Mean colours in Lab, [N, 3]."""
    return np.stack([cv2.cvtColor(p.astype(np.float32) / 255, cv2.COLOR_RGB2LAB).mean((0, 1)) for p in pictures])


def colours_apart(pictures: Sequence[Picture]) -> float:
    """Root of the trace of the covariance of mean colours: how far they spread, in Lab."""
    return float(np.sqrt(_means(pictures).var(0, ddof=1).sum()))


def _saturation(pictures: Sequence[Picture]) -> float:
    return _mean(float(np.ptp(p.astype(np.float32), 2).mean()) for p in pictures)


def _detail(pictures: Sequence[Picture]) -> float:
    """Mean absolute Laplacian of grey, in levels of 255."""
    return _mean(float(np.abs(cv2.Laplacian(p.astype(np.float32).mean(2), cv2.CV_32F)).mean()) for p in pictures)


def _apart(pictures: Sequence[Picture]) -> float:
    """Mean distance between two of them, after smoothing, 0 to 1."""
    small = np.stack([cv2.resize(p, (16, 16), interpolation=cv2.INTER_AREA) for p in pictures]).astype(np.float32) / 255
    flat = small.reshape(len(small), -1)
    distances = [float(np.sqrt(np.mean((a - b) ** 2))) for i, a in enumerate(flat) for b in flat[i + 1 :]]
    return _mean(distances)
