"""What encoders that the user has see in the samples: copies, the subject, the prompt, variety.

Vectors come in (`lora_doctor.probe.encoders`), signals go out. No likeness means anything by itself: each is held
against step 0 at the same prompts and seeds and against the training images among themselves. Two pictures of one
subject are alike, so DINO's and SSCD's nearest neighbours are compared with each training picture's own nearest (its
copies left aside); CLIP's likeness of picture and prompt with what the base model's pictures reached.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from lora_doctor.dataset.arrays import Array
from lora_doctor.dataset.cache import Cache
from lora_doctor.runs.facts import Sample
from lora_doctor.symptoms.bodies import Body, bodies
from lora_doctor.symptoms.looks import vendi
from lora_doctor.symptoms.signals import Signal

COPY = 0.5  # SSCD likeness that counts as a copy (Somepalli et al. 2022, arXiv:2212.03860)
SURE = 0.75  # nine of ten such pairs of DISC are copies (SSCD's README, sscd_disc_mixup)
ABOVE = 0.1  # likeness by which a copy must exceed what the base model's picture of the slot has
USUAL = 0.95  # quantile of the training pictures' nearest neighbours among themselves
MOST = 1000  # training pictures
FEWEST = 3  # training pictures, or prompts, of which anything is said
APART = 0.02  # likeness by which training pictures must exceed step 0 for a subject to be told from nothing
TOLD = 0.5  # of step 0's samples that CLIP must give to their own prompt, where it is to judge others
EXCEPT = frozenset({"unrelated"})
UNCALLED = frozenset({"plain", "class", "no-trigger", "without"})  # prompts of the subject's kind, without the trigger


class Shown(NamedTuple):
    """Pictures of a folder; the digest of one that can't be read is b""."""

    folder: Path
    names: Sequence[str]
    digests: Sequence[bytes]


Tell = Callable[[str, int, int], None]  # which pictures, how many are done, of how many
Encode = Callable[[Shown, Cache, Tell | None], Array]  # rows of length 1, zeros for a picture that can't be read
Detect = Callable[[Shown, Cache, Tell | None], Sequence[Sequence[Body] | None]]


class Encoders(NamedTuple):
    """The user's encoders, each None where it was not given. prompts: `[n, d]` of texts, in the space of `clip`."""

    dino: Encode | None = None
    clip: Encode | None = None
    prompts: Callable[[Sequence[str]], Array] | None = None
    sscd: Encode | None = None
    detect: Detect | None = None


class Learned(NamedTuple):
    """The training pictures; groups: a number for each, equal for copies of one another."""

    shown: Shown
    groups: Sequence[int]


class Told(NamedTuple):
    """Signals, and why others could not be taken, by name."""

    signals: tuple[Signal, ...] = ()
    reasons: Mapping[str, str] = MappingProxyType({})


def encoded(
    encoders: Encoders,
    samples: Sequence[Sample],
    shown: Shown,
    learned: Learned | None,
    store: Cache,
    *,
    purpose: str | None = None,
    tell: Tell | None = None,
) -> Told:
    """Every signal that these encoders can give; one encoder after the other, so that one at a time is in memory."""
    places = _Places(samples, [bool(each) for each in shown.digests])
    edits = any(each.control for each in samples)
    own = None if learned is None or edits else _some(learned)
    sight = _Sight(shown, own, store, tell)
    signals: list[Signal] = []
    why: Mapping[str, str] = {}
    vectors = None
    for name, encode in (("SSCD", encoders.sscd), ("DINO", encoders.dino)):
        if encode is not None:
            vectors = sight.vectors(encode, name)
            signals += _copies(f"{name.lower()}_copies", places, vectors, absolute=name == "SSCD")
    vectors = vectors if encoders.dino is not None else None
    if encoders.clip is not None and encoders.prompts is not None:
        seen = sight.vectors(encoders.clip, "CLIP")
        prompts = _prompts(places, seen.ours, encoders.prompts)
        signals += prompts.signals
        why = prompts.reasons
        # a style is what a ViT trained on instances leaves out first: CLIP's pictures tell it better (CLIP-I)
        vectors = seen if vectors is None or purpose == "style" else vectors
    if vectors is not None:
        signals += (*_variety(places, vectors.ours), *_fidelity(places, vectors))
    if encoders.detect is not None:
        theirs = encoders.detect(own.shown, store, tell) if own is not None else ()
        signals += bodies(samples, encoders.detect(shown, store, tell), theirs, places.base, _slot)
    return Told(tuple(each for each in signals if each.at), why)


def _some(learned: Learned) -> Learned:
    """Of more than `MOST` training pictures an even sample."""
    shown, count = learned.shown, len(learned.shown.names)
    if count <= MOST:
        return learned
    at: list[int] = np.linspace(0, count - 1, MOST).astype(int).tolist()
    some = Shown(shown.folder, [shown.names[i] for i in at], [shown.digests[i] for i in at])
    return Learned(some, [learned.groups[i] for i in at])


class _Vectors(NamedTuple):
    """Of the samples, and of the training pictures (None where there are none) with their groups."""

    ours: Array
    theirs: Array | None
    groups: Sequence[int]


class _Sight(NamedTuple):
    """The pictures that encoders look at."""

    shown: Shown
    own: Learned | None
    store: Cache
    tell: Tell | None

    def vectors(self, encode: Encode, name: str) -> _Vectors:
        """What one encoder makes of all of them."""
        ours = self._encode(encode, self.shown, f"sample with {name}")
        if self.own is None:
            return _Vectors(ours, None, ())
        theirs = self._encode(encode, self.own.shown, f"training image with {name}")
        seen: list[int] = np.flatnonzero(theirs.any(1)).tolist()
        if len(seen) < FEWEST or theirs.shape[1] != ours.shape[1]:
            return _Vectors(ours, None, ())
        return _Vectors(ours, theirs[seen], [self.own.groups[place] for place in seen])

    def _encode(self, encode: Encode, of: Shown, what: str) -> Array:
        tell = self.tell
        return encode(of, self.store, None if tell is None else lambda _, done, whole: tell(what, done, whole))


def _slot(sample: Sample) -> Hashable:
    return sample.slot or sample.prompt, sample.seed


class _Places:
    """Samples at strength 1 that can be read, by step, and the base model's by slot."""

    def __init__(self, samples: Sequence[Sample], sound: Sequence[bool]) -> None:
        self.samples = samples
        found: dict[int, list[int]] = defaultdict(list)
        for place, sample in enumerate(samples):
            if sample.step is not None and sample.strength == 1.0 and sound[place]:
                found[sample.step].append(place)
        self.steps = dict(sorted(found.items()))
        self.base: dict[Hashable, int] = {}
        for place in self.steps.get(0, ()):
            self.base.setdefault(_slot(samples[place]), place)

    def later(self) -> Iterator[tuple[int, list[int]]]:
        """Every step after the base's."""
        return ((step, where) for step, where in self.steps.items() if step)

    def pairs(self, where: Sequence[int]) -> list[tuple[int, int]]:
        """Places of the base's sample and of this step's, for each slot that has both."""
        found = [(self.base.get(_slot(self.samples[place])), place) for place in where]
        return [(before, place) for before, place in found if before is not None]


def _nearest_other(theirs: Array, groups: Sequence[int]) -> Array:
    """Of each training picture the likeness to the nearest that is no copy of it."""
    group = np.asarray(groups)
    likes = np.where(group[:, None] == group[None], -1.0, theirs @ theirs.T)
    best: Array = likes.max(1)
    return best[best > -1.0]


def _copies(name: str, places: _Places, vectors: _Vectors, *, absolute: bool) -> Iterator[Signal]:
    """Share of samples nearer to a training picture than such pictures are to one another.

    absolute: likeness means the same for all pictures, as SSCD's does: below `COPY` nothing is a copy, above `SURE`
    everything is.
    """
    ours, theirs, groups = vectors
    among = _nearest_other(theirs, groups) if theirs is not None else ()
    if theirs is None or len(among) < FEWEST:
        return
    usual = float(np.quantile(among, USUAL))
    limit = min(max(COPY, usual), SURE) if absolute else usual
    best = (ours @ theirs.T).max(1)

    def copied(place: int, before: int | None) -> bool:
        return bool(best[place] > limit and (before is None or best[place] > best[before] + ABOVE * (1 - best[before])))

    rows, about = [], []
    for step, where in places.later():
        base = {place: before for before, place in places.pairs(where)}
        hits = [place for place in where if copied(place, base.get(place))]
        rows.append((step, len(hits) / len(where), len(where)))
        about += hits
    about.sort(key=lambda place: -float(best[place]))
    names = tuple(places.samples[place].path.name for place in about)
    against = f"a likeness of {limit:.2f}" + ("" if limit == COPY else ", as training images have among themselves")
    yield _signal(name, rows, 0.0, against)._replace(about=names)


def _signal(name: str, rows: Sequence[tuple[int, float, int]], baseline: float, against: str) -> Signal:
    at, values, counts = zip(*rows) if rows else ((), (), ())
    return Signal(name, tuple(at), tuple(float(value) for value in values), tuple(counts), baseline, against)


def _fidelity(places: _Places, vectors: _Vectors) -> Iterator[Signal]:
    """How far samples have come from step 0 (0) to the likeness of training images among themselves (1).

    DreamBooth's fidelity (mean likeness of generated and real pictures; arXiv:2208.12242) between its two natural ends.
    Then how far prompts without the trigger have, by those with it: what is seen of the subject uncalled.
    """
    ours, theirs, groups = vectors
    if theirs is None or len(set(groups)) < 2:
        return
    group = np.asarray(groups)
    other = group[:, None] != group[None]
    goal = float((theirs @ theirs.T)[other].mean())
    mean = ours @ theirs.mean(0)
    rows, leaks = [], []
    for step, where in places.later():
        moved: dict[bool, list[float]] = defaultdict(list)
        starts: list[float] = []
        for before, place in places.pairs(where):
            kind = places.samples[place].kind
            if kind in EXCEPT:
                continue
            moved[kind in UNCALLED].append(float(mean[place] - mean[before]))
            starts += [] if kind in UNCALLED else [float(mean[before])]
        room = goal - float(np.mean(starts)) if starts else 0.0
        if len(moved[False]) < FEWEST or room < APART:
            continue
        came = float(np.mean(moved[False]))
        rows.append((step, came / room, len(moved[False])))
        if len(moved[True]) >= FEWEST and came > 0.25 * room:
            leaks.append((step, float(np.mean(moved[True])) / came, len(moved[True])))
    yield _signal("fidelity", rows, 0.0, "step 0")
    yield _signal("uncalled_subject", leaks, 1.0, "prompts with the trigger")


def _variety(places: _Places, ours: Array) -> Iterator[Signal]:
    """Vendi score of a step's samples by that of the base's at the same prompts and seeds."""
    rows = []
    for step, where in places.later():
        pairs = places.pairs(where)
        if len(pairs) >= FEWEST:
            old, new = (vendi(ours[[pair[side] for pair in pairs]]) - 1 for side in (0, 1))
            rows.append((step, new / max(old, 0.01), len(pairs)))
    yield _signal("encoder_diversity", rows, 1.0, "step 0")


def _prompts(places: _Places, ours: Array, encode: Callable[[Sequence[str]], Array]) -> Told:
    """Likeness of samples to their prompts, and how many are most like their own; against the base at each slot."""
    named = [place for place in places.base.values() if places.samples[place].prompt]
    texts = list(dict.fromkeys(places.samples[place].prompt for place in named))
    both = ("prompt_alignment", "prompt_retrieval")
    if len(texts) < FEWEST:
        why = "CLIP compares with step 0, of which no sample has a prompt" if not texts else "fewer than three prompts"
        return Told((), dict.fromkeys(both, why))
    likes = ours @ encode(texts).T
    number = {text: nth for nth, text in enumerate(texts)}
    own = [number.get(sample.prompt, -1) for sample in places.samples]
    hit = [nth >= 0 and int(likes[place].argmax()) == nth for place, nth in enumerate(own)]
    told = float(np.mean([hit[place] for place in named]))
    if told < TOLD:
        why = f"CLIP gives only {told:.0%} of step 0's samples to their own prompt: it can't tell these prompts apart"
        return Told((), dict.fromkeys(both, why))
    aligned, picked = [], []
    for step, where in places.later():
        pairs = [pair for pair in places.pairs(where) if own[pair[1]] >= 0]
        if len(pairs) >= FEWEST:
            change = [float(likes[place, own[place]] - likes[before, own[before]]) for before, place in pairs]
            aligned.append((step, float(np.median(change)), len(pairs)))
            shares = [float(np.mean([hit[pair[side]] for pair in pairs])) for side in (0, 1)]
            picked.append((step, shares[1] - shares[0], len(pairs)))
    return Told((_signal(both[0], aligned, 0.0, "step 0"), _signal(both[1], picked, 0.0, f"step 0's {told:.0%}")))


def lacking(given: Encoders, samples: str, first: str, training: str) -> dict[str, str]:
    """Why encoders' signals may be missing; samples, first, training: why those are, "" where they are there."""
    pictures = "" if given.dino or given.clip else "needs an encoder: --dino FOLDER or --clip FOLDER"
    prompts = "" if given.clip else "needs an encoder: --clip FOLDER"
    bodies = "" if given.detect else "needs a detector: --detector FOLDER"
    few = "too few training images"
    near = "too few samples, or step 0 is as near to the training images as they to one another"
    return {
        "sscd_copies": ("" if given.sscd else "needs an encoder: --sscd FILE") or training or few,
        "dino_copies": ("" if given.dino else "needs an encoder: --dino FOLDER") or training or few,
        "fidelity": pictures or training or first or near,
        "uncalled_subject": pictures or training or first or "fewer than three prompts without the trigger",
        "encoder_diversity": pictures or first or "fewer than three prompts at each step",
        **dict.fromkeys(("prompt_alignment", "prompt_retrieval"), prompts or first or "fewer than three prompts"),
        "bodies_unclear": bodies or samples or "too few pictures with a body to compare with",
        "parts_too_many": bodies or samples or "the detector knows no parts of bodies",
    }
