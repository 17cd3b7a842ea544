"""Whether samples show training pictures again: whole, mirrored, cropped, or in their composition.

Windows of every training picture, at several sizes and places and both ways round, are compared with the sample as
small evened-out Lab pictures. How near is near is told by the training set itself: the distance of each picture to the
others' windows. The nearest candidates are then looked at with the dataset exam's fingerprints and corners.

A caption alone brings a picture near: a small figure at the place and on the ground that it names. So what the base
model made of the same prompt and seed is the measure where there is such a sample: a copy comes far nearer than that.

Nearest-neighbour ratios with a held-out (here: leave-one-out) baseline follow Meehan et al. 2020 (arXiv:2004.05675);
the ratio of the first to the second neighbour is Yoon et al. 2023's and Bonnaire et al. 2025's criterion (1/3).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from lora_doctor.dataset.arrays import Array
from lora_doctor.dataset.cache import Cache
from lora_doctor.dataset.compare import SAME, Judge
from lora_doctor.dataset.copies import ALIKE, FLAT, turned
from lora_doctor.dataset.record import Images
from lora_doctor.symptoms.signals import Signal

SIDE = 12  # pixels of a window when it is compared
SIZES = (1.0, 0.85, 0.7, 0.55)  # of the largest window with the sample's shape
PLACES = (0.0, 0.25, 0.5, 0.75, 1.0)
MOST = 1000  # training pictures; of more an even sample
TRIES = 6  # nearest training pictures that are looked at closely
THIRD = 1 / 3
NEAR = 0.5  # of the closest pair of different training pictures: nearer is the same picture
COLOUR = 0.5  # weight of colour beside lightness
RECALLED = 0.3  # of the base's distance at the same prompt and seed: lab, healthy runs .33 to .6, copies .15 to .29
FEWEST = 3  # training pictures without which there is no baseline
SHAPE_STEP = 0.08  # shapes (log of width by height) that share their windows


class Match(NamedTuple):
    """A sample that shows a training picture. how: whole, mirrored, cropped, or composition; distance: 0 (equal) to 2,
    `usual` that between different training pictures.
    """

    sample: str
    step: int | None
    picture: str
    how: str
    distance: float
    usual: float


class Likeness(NamedTuple):
    """Every sample's nearest training picture; `nearest` is in the order of the samples."""

    signals: tuple[Signal, ...]
    matches: tuple[Match, ...]
    nearest: tuple[tuple[str, float], ...] = ()


class Side(NamedTuple):
    """Pictures of one kind: what the exam and `pixels` found, and their steps (training pictures have none).

    slots: what tells samples of one prompt and seed from others; trained: whether the prompt is a training caption.
    """

    images: Images
    pixels: Array
    steps: Sequence[int | None] = ()
    slots: Sequence[Hashable] = ()
    trained: Sequence[bool] = ()


def likeness(samples: Side, training: Side, cache: Cache, copies: Iterable[Sequence[str]] = ()) -> Likeness | None:
    """Compare samples with training pictures; None where there are too few that can be read.

    copies: groups of training pictures that show one thing; they are no baseline for one another.
    """
    own = _places(training)
    if len(own) < FEWEST or not len(_places(samples)):
        return None
    groups = groups_of(training.images.names, copies)
    windows = _Windows(training.pixels, own)
    usual = _leave_one_out(training.pixels, own, windows, groups)
    if not len(usual):
        return None
    judges = _Judges(samples.images, training.images, cache)
    search = _Search(samples, training, own, groups, windows, usual, judges, _base(samples, windows))
    found = [_look(search, place) for place in range(len(samples.images))]
    matches = tuple(each.match for each in found if each.match is not None)
    signals = (*_signals(samples, found, float(np.median(usual)), matches, len(own)), *_recalled(samples, found))
    return Likeness(signals, matches, tuple((each.picture, each.first) for each in found))


def _base(samples: Side, windows: _Windows) -> dict[Hashable, Array]:
    """How far from each training picture the base model's samples lie, by slot."""
    places = [place for place, _ in enumerate(samples.slots) if samples.steps[place] == 0]
    return {samples.slots[i]: windows.distances(samples.pixels[i])[0] for i in places if samples.pixels["ok"][i]}


class _Search(NamedTuple):
    """What a sample is looked up in. own: places of the training pictures, usual: their distances to one another."""

    samples: Side
    training: Side
    own: Array
    groups: Sequence[int]
    windows: _Windows
    usual: Array
    judge: _Judges
    base: Mapping[Hashable, Array]


class _Found(NamedTuple):
    """A sample's nearest training picture, the distance to it and to the next that is no copy of it; NaN for none.

    recalled: the distance by that of the base's sample of the same slot.
    """

    picture: str = ""
    first: float = float("nan")
    second: float = float("nan")
    match: Match | None = None
    recalled: float = float("nan")


def _look(search: _Search, place: int) -> _Found:
    """One sample; nothing for one that could not be read."""
    samples, own, groups = search.samples, search.own, search.groups
    if not samples.pixels["ok"][place]:
        return _Found()
    distances, flipped = search.windows.distances(samples.pixels[place])
    order = np.argsort(distances)
    first = int(order[0])
    other = next((int(i) for i in order if groups[own[i]] != groups[own[first]]), None)
    names = search.training.images.names
    limit = NEAR * float(np.quantile(search.usual, 0.05))
    base = search.base.get(samples.slots[place]) if samples.slots else None
    brought = distances / np.maximum(base, 1e-6) if base is not None else np.zeros(len(distances))
    match = _match(place, distances, flipped, order, own, search.judge, limit, brought)
    told = None
    if match is not None:
        picture, how, distance = match
        sample, usual = samples.images.names[place], float(np.median(search.usual))
        told = Match(sample, samples.steps[place], names[picture], how, distance, usual)
    second = float("nan") if other is None else float(distances[other])
    recalled = float("nan") if base is None else float(brought[first])
    return _Found(names[own[first]], float(distances[first]), second, told, recalled)


def _places(side: Side) -> Array:
    found = np.flatnonzero(side.pixels["ok"])
    return found if len(found) <= MOST else found[np.linspace(0, len(found) - 1, MOST).astype(int)]


def groups_of(names: Sequence[str], copies: Iterable[Sequence[str]]) -> list[int]:
    """A number for each picture, equal for copies of one another."""
    number = {name: i for i, name in enumerate(names)}
    groups = list(range(len(names)))
    for members in copies:
        places = [number[name] for name in members if name in number]
        for place in places:
            groups[place] = groups[places[0]]
    return groups


def view_of(record: Array) -> Array:
    """The Lab view of one record, without what fills it up."""
    width, height = (int(side) for side in record["size"])
    view: Array = record["view"][:height, :width]
    return view


def even(windows: Array) -> Array:
    """Windows as vectors of length 1, brightness taken out; a window without any contrast becomes zeros."""
    flat = windows.astype(np.float32)
    flat[..., 1:] = (flat[..., 1:] - 128) * COLOUR
    flat[..., 0] -= flat[..., 0].mean((-1, -2), keepdims=True)
    flat = flat.reshape(*flat.shape[:-3], -1)
    length = np.linalg.norm(flat, axis=-1, keepdims=True)
    return np.where(length > SIDE * 3, flat / np.maximum(length, 1e-6), 0)


class _Windows:
    """Windows of the training pictures, cut once for each shape that samples have."""

    def __init__(self, pixels: Array, places: Array) -> None:
        self._views = [view_of(pixels[place]) for place in places]
        self._cut: dict[int, tuple[Array, Array]] = {}

    def distances(self, record: Array) -> tuple[Array, Array]:
        """Of one picture to each training picture's nearest window, and whether that was the mirrored one."""
        view = view_of(record)
        shape = round(np.log(view.shape[1] / view.shape[0]) / SHAPE_STEP)
        if shape not in self._cut:
            self._cut[shape] = self._all(float(np.exp(shape * SHAPE_STEP)))
        windows, owners = self._cut[shape]
        small = cv2.resize(view, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        likes = windows @ even(np.stack([small, small[:, ::-1]])).T
        best = np.full((len(self._views), 2), -1.0, np.float32)
        for way in (0, 1):
            np.maximum.at(best[:, way], owners, likes[:, way])
        mirrored = best[:, 1] > best[:, 0]
        return np.sqrt(np.maximum(0, 2 - 2 * best.max(1))), mirrored

    def _all(self, shape: float) -> tuple[Array, Array]:
        cut, owners = [], []
        for owner, view in enumerate(self._views):
            mine = list(_cuts(view, shape))
            cut += mine
            owners += [owner] * len(mine)
        return even(np.stack(cut)), np.array(owners)


def _cuts(view: Array, shape: float) -> Iterable[Array]:
    """Windows of a shape (width by height), SIDE pixels square each."""
    height, width = view.shape[:2]
    for size in SIZES:
        wide = max(4, round(size * min(width, height * shape)))
        high = max(4, round(size * min(height, width / shape)))
        lefts = sorted({round(at * (width - wide)) for at in PLACES})
        tops = sorted({round(at * (height - high)) for at in PLACES})
        for top in tops:
            for left in lefts:
                yield cv2.resize(view[top : top + high, left : left + wide], (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def _leave_one_out(pixels: Array, places: Array, windows: _Windows, groups: Sequence[int]) -> Array:
    """Distance of each training picture to the nearest that is no copy of it."""
    group = np.array([groups[place] for place in places])
    step = max(1, len(places) // 400)
    found = []
    for place in places[::step]:
        distances, _ = windows.distances(pixels[place])
        others = distances[group != groups[place]]
        if len(others) and view_of(pixels[place])[..., 0].std() > 3:
            found.append(float(others.min()))
    return np.array(found)


class _Judges:
    """The exam's second look, at a sample and a training picture."""

    def __init__(self, samples: Images, training: Images, cache: Cache) -> None:
        self._offset = len(samples)
        self._records = np.concatenate([samples.records, training.records])
        self._judge = Judge(self._records, cache)

    def same(self, sample: int, picture: int) -> str:
        """How the sample shows the picture: whole, mirrored, cropped, or "" for not at all."""
        other = picture + self._offset
        if min(self._records["texture"][sample], self._records["texture"][other]) < FLAT:
            return ""
        words = np.ascontiguousarray(self._records["hash"][[sample, other]]).view(np.uint64).reshape(2, 4)
        bits = [int(np.bitwise_count(way[0] ^ words[1]).sum()) for way in turned(words[:1])]
        way = int(np.argmin(bits))
        if bits[way] <= SAME or (bits[way] <= ALIKE and self._judge.same(sample, other, bits[way], way)):
            return "whole" if way == 0 else "mirrored"
        return "cropped" if self._judge.cropped(sample, other) else ""


def _match(
    place: int, distances: Array, flipped: Array, order: Array, own: Array, judge: _Judges, limit: float, brought: Array
) -> tuple[int, str, float] | None:
    """The training picture that a sample shows, if any; corners that agree need no other proof."""
    for i in order[:TRIES].tolist():
        how = judge.same(place, int(own[i]))
        if how and (how == "cropped" or brought[i] < RECALLED):
            return int(own[i]), how, float(distances[i])
    first = int(order[0])
    if distances[first] < limit and brought[first] < RECALLED:
        return int(own[first]), "mirrored" if flipped[first] else "composition", float(distances[first])
    return None


def _recalled(samples: Side, found: Sequence[_Found]) -> tuple[Signal, ...]:
    """How near samples of training captions have come, by the base's of the same seeds; the median of each step."""
    by_step: dict[int, list[float]] = defaultdict(list)
    for place, trained in enumerate(samples.trained):
        step = samples.steps[place]
        if trained and step and np.isfinite(found[place].recalled):
            by_step[step].append(found[place].recalled)
    if not by_step:
        return ()
    steps = tuple(sorted(by_step))
    values = tuple(float(np.median(by_step[step])) for step in steps)
    counts = tuple(len(by_step[step]) for step in steps)
    return tuple(Signal(name, steps, values, counts, 1.0, "step 0") for name in ("recall", "unlearned"))


def _signals(
    samples: Side, found: Sequence[_Found], usual: float, matches: Sequence[Match], pictures: int
) -> tuple[Signal, ...]:
    firsts, seconds = np.array([each.first for each in found]), np.array([each.second for each in found])
    by_step: dict[int, list[int]] = defaultdict(list)
    for place, step in enumerate(samples.steps):
        if step is not None and np.isfinite(firsts[place]):
            by_step[step].append(place)
    steps = tuple(sorted(by_step))
    copied = {match.sample for match in matches}
    names = samples.images.names
    counts = tuple(len(by_step[step]) for step in steps)
    shares = tuple(sum(names[i] in copied for i in by_step[step]) / len(by_step[step]) for step in steps)
    medians = [float(np.median(firsts[by_step[step]])) for step in steps]
    start = steps and steps[0] == 0
    ratios = tuple(median / (min(usual, max(medians[0], 1e-6)) if start else usual) for median in medians)
    about = tuple(match.sample for match in sorted(matches, key=lambda m: m.distance))
    signals = [
        Signal("copied_share", steps, shares, counts, shares[0] if start else None, "step 0" if start else "", about),
        Signal("likeness", steps, ratios, counts, 1.0, "training images among themselves, or step 0 where nearer"),
    ]
    if pictures >= 6:
        third = tuple(float(np.nanmean(firsts[by_step[step]] < THIRD * seconds[by_step[step]])) for step in steps)
        signals.append(
            Signal("gap_share", steps, third, counts, third[0] if start else None, "step 0" if start else "")
        )
    return tuple(signals) if steps else ()
