"""What a detector of bodies and parts says of the samples: bodies it is less sure of, parts there are too many of.

A detector judges no anatomy. It is less sure of a malformed body than of a sound one (the mean confidence is used as a
measure of hands, HandRefiner, arXiv:2311.17957), and it counts: a third hand is one too many. Both are held against
pictures that are sound, the training images and step 0 at the same prompt and seed, and only where a body is asked for.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from lora_doctor.runs.facts import Sample
from lora_doctor.symptoms.signals import Signal

SCORE = 0.5  # confidence at which something counts as seen: the usual threshold of object detectors
UNSURE = 0.05  # quantile of the references' confidence below which a body is unclear
FEWEST = 6  # references without which no quantile is taken
PARTS = {"hand": 2, "face": 1, "head": 1, "arm": 2, "foot": 2, "eye": 2, "ear": 2, "nose": 1, "mouth": 1, "finger": 10}
_BODY = r"person|people|human|man|woman|men|women|boy|girl|child|kid|baby|body|pedestrian|portrait|dancer|couple"
_ANIMAL = r"animal|creature|cat|dog|horse|bird|cow|sheep|elephant|bear|zebra|giraffe"
BODY = re.compile(rf"\b(?:{_BODY}|{_ANIMAL})s?\b", re.IGNORECASE)
PLURALS = {"feet": "foot", "people": "person"}
PLAIN = frozenset({"plain", "class", "unrelated", "no-trigger", "without"})


class Body(NamedTuple):
    """One thing seen. label: the detector's word; score: its confidence; clear: mean confidence of its joints by a
    pose model, None without one.
    """

    label: str
    score: float
    clear: float | None = None


Seen = Sequence[Body]
Row = tuple[int, float, int]


def bodies(
    samples: Sequence[Sample],
    ours: Sequence[Seen | None],
    theirs: Sequence[Seen | None],
    base: Mapping[Hashable, int],
    slot: Callable[[Sample], Hashable],
) -> Iterator[Signal]:
    """Signals of what was seen on the samples (ours) and the training images (theirs); None: could not be read.

    base: places of step 0's samples by their slot.
    """
    learned = [seen for seen in theirs if seen is not None]
    with_body = [clearness(seen) for seen in learned if clearness(seen) > 0]
    mostly = len(with_body) >= max(1, len(learned) / 2)
    asked = _asked(samples, ours, base, slot, mostly)
    start = [seen for place in base.values() if (seen := ours[place]) is not None]
    first = [clearness(seen) for seen in start if clearness(seen) > 0]
    references = [each for each in ((with_body if mostly else []), first) if len(each) >= FEWEST]
    names = tuple(samples[place].path.name for step in asked for place in asked[step])
    if references and asked:
        limit = min(float(np.quantile(each, UNSURE)) for each in references)
        rows = [_share(step, [clearness(ours[place] or ()) < limit for place in at]) for step, at in asked.items()]
        against = f"{limit:.2f}, which {1 - UNSURE:.0%} of the references exceed"
        yield _signal("bodies_unclear", rows, UNSURE, against, ())
    if not any(_word(each.label) in PARTS for seen in (*ours, *theirs) for each in seen or ()):
        return
    usual = max((np.mean([too_many(seen) for seen in group]) for group in (learned, start) if group), default=0.0)
    told = _judged(samples, ours)
    rows = [_share(step, [too_many(ours[place] or ()) for place in at]) for step, at in told.items()]
    odd = tuple(samples[place].path.name for at in told.values() for place in at if too_many(ours[place] or ()))
    beyond = [(step, share - float(usual), count) for step, share, count in rows]
    yield _signal("parts_too_many", beyond, 0.0, f"the {float(usual):.0%} of sound pictures", odd or names[:0])


def _share(step: int, hits: Sequence[bool]) -> Row:
    return step, sum(hits) / len(hits), len(hits)


def _signal(name: str, rows: Sequence[Row], baseline: float, against: str, about: tuple[str, ...]) -> Signal:
    at, values, counts = zip(*rows) if rows else ((), (), ())
    return Signal(name, tuple(at), tuple(values), tuple(counts), baseline, against, about)


def clearness(seen: Seen) -> float:
    """Of the surest body: how sure its joints are, or it itself; 0 where there is none."""
    found = [each for each in seen if BODY.search(each.label)]
    best = max(found, key=lambda each: each.score, default=None)
    if best is None:
        return 0.0
    return best.score if best.clear is None else best.clear


def too_many(seen: Seen) -> bool:
    """Whether there are more of a part than the bodies that are seen can have."""
    sure = Counter(_word(each.label) for each in seen if each.score >= SCORE)
    whole = sum(count for label, count in sure.items() if BODY.search(label))
    return any(sure[part] > number * max(1, whole) for part, number in PARTS.items())


def _word(label: str) -> str:
    """A detector's label as the table has it: `left_hand`, `Hands` and `human hand` are hands."""
    last = re.split(r"[^a-z]+", label.lower().strip())[-1]
    word = PLURALS.get(last, last)
    return word.removesuffix("s") if word.removesuffix("s") in PARTS else word if word in PARTS else label.lower()


def _judged(samples: Sequence[Sample], ours: Sequence[Seen | None]) -> dict[int, list[int]]:
    """Samples by their step at which anything is seen, the base's aside."""
    found: dict[int, list[int]] = defaultdict(list)
    for place, sample in enumerate(samples):
        if sample.step and sample.strength == 1.0 and ours[place]:
            found[sample.step].append(place)
    return dict(sorted(found.items()))


def _asked(
    samples: Sequence[Sample],
    ours: Sequence[Seen | None],
    base: Mapping[Hashable, int],
    slot: Callable[[Sample], Hashable],
    mostly: bool,
) -> dict[int, list[int]]:
    """Samples that are to show a body: by the prompt, or by what was learned; and step 0 showed one."""
    found: dict[int, list[int]] = defaultdict(list)
    for place, sample in enumerate(samples):
        if not sample.step or sample.strength != 1.0 or ours[place] is None:
            continue
        before = base.get(slot(sample))
        had = before is None or clearness(ours[before] or ()) > 0
        called = mostly and sample.kind not in PLAIN
        if had and (called or (before is not None and BODY.search(sample.prompt))):
            found[sample.step].append(place)
    return dict(sorted(found.items()))
