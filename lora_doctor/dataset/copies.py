"""Copies among the images: the same file, the same pixels, and what was resized, recoded, mirrored, turned or cropped.

Coarse structure finds whole copies, by the number of differing bits in any of eight orientations. Corners find crops,
frames and small turns: two images with enough equal corners are candidates, and a similarity transform must agree
with them. Each candidate is looked at twice (`compare`). No list of pairs is kept: each pair that holds joins two
groups.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lora_doctor.dataset.arrays import Array
from lora_doctor.dataset.cache import Cache
from lora_doctor.dataset.compare import Judge
from lora_doctor.dataset.record import Images

ALIKE = 64  # bits of 256 that candidates may differ in; unrelated pictures differ in 96 at least
FLAT = 2.0  # texture below which a fingerprint says nothing
MANY = 5000  # images above which turned copies are not looked for (only mirrored ones)
MOST = 20_000  # images above which crops are not looked for
ROWS = 64  # images compared with all others at once
BAND_BITS, BANDS = 26, 8
CROWD = 12  # equal keys that say nothing any more
VOTES = 1.3  # equal keys, each counted for less the more corners have it
TRIES = 3  # candidates that an image may fail with, the likeliest first
LIKELIEST = 30  # candidates of an image that are kept at all


class Group(NamedTuple):
    """Images that show one picture. `how`: identical (the file), pixels, near, mirrored, cropped."""

    members: tuple[int, ...]  # places in Images
    how: str


def find_copies(images: Images, cache: Cache) -> list[Group]:
    """Every group, by its first member. Equal images are one group, which takes part in another by its first."""
    sound, records = images.sound(), images.records
    equal, alike = _Groups(len(images)), _Groups(len(images))
    for how, pair in _equal(records, sound):
        if equal.first(pair[0]) != equal.first(pair[1]):
            equal.join(*pair, how)
    alone = np.array([place for place in sound.tolist() if equal.first(place) == place], np.int64)
    textured = alone[records["texture"][alone] >= FLAT]
    judge = Judge(records, cache)
    for first, second, distance, turned in _alike(records, textured):
        if alike.first(first) != alike.first(second) and judge.same(first, second, distance, turned):
            alike.join(first, second, "near" if turned == 0 else "mirrored")
    tried: Counter[int] = Counter()
    roots = np.array([alike.first(place) for place in range(len(images))], np.int64)
    for first, second in _sharing_corners(records, textured, roots, cache):
        if alike.first(first) == alike.first(second) or max(tried[first], tried[second]) >= TRIES:
            continue
        if judge.cropped(first, second):
            alike.join(first, second, "cropped")
        else:
            tried.update((first, second))
    return sorted([*equal.groups(), *alike.groups()])


class _Groups:
    """Disjoint sets; each remembers the loosest way it was joined by."""

    ORDER = ("identical", "pixels", "near", "mirrored", "cropped")

    def __init__(self, count: int) -> None:
        self._above = list(range(count))
        self._how: dict[int, str] = {}

    def first(self, place: int) -> int:
        while self._above[place] != place:
            self._above[place] = self._above[self._above[place]]
            place = self._above[place]
        return place

    def join(self, one: int, other: int, how: str) -> None:
        low, high = sorted((self.first(one), self.first(other)))
        hows = [how, *(self._how[root] for root in (low, high) if root in self._how)]
        self._above[high] = low
        self._how[low] = max(hows, key=self.ORDER.index)

    def groups(self) -> list[Group]:
        members: dict[int, list[int]] = {}
        for place in range(len(self._above)):
            first = self.first(place)
            if first in self._how:
                members.setdefault(first, []).append(place)
        return [Group(tuple(places), self._how[first]) for first, places in members.items() if len(places) > 1]


def _equal(records: Array, sound: Array) -> Iterator[tuple[str, tuple[int, int]]]:
    """Neighbours with the same file or the same pixels, in a sorted order."""
    for how, fields in (("identical", ["digest"]), ("pixels", ["width", "height", "pixels", "hash"])):
        seen: dict[object, int] = {}
        for place in sound.tolist():
            key = tuple(records[field][place].tobytes() for field in fields)
            if key in seen:
                yield how, (seen[key], place)
            else:
                seen[key] = place


def _words(records: Array, places: Array) -> Array:
    return np.ascontiguousarray(records["hash"][places]).view(np.uint64).reshape(len(places), 4)


def turned(words: Array) -> list[Array]:
    """The fingerprints of the images mirrored and turned, the first as they are, the second mirrored left to right.

    A mirrored image has every odd coefficient negated; those are above the median where they were below it.
    """
    square = np.unpackbits(words.view(np.uint8).reshape(len(words), 32), axis=1).reshape(-1, 16, 16)
    odd = (np.arange(16) % 2 == 0).astype(np.uint8)  # the first kept coefficient is the first odd one
    found = []
    for base in (square, square.transpose(0, 2, 1)):
        for flip in (0, odd[None, :], odd[:, None], odd[None, :] ^ odd[:, None]):
            packed = np.packbits((base ^ flip).reshape(-1, 256).astype(np.uint8), axis=1)
            found.append(np.ascontiguousarray(packed).view(np.uint64).reshape(-1, 4))
    return found


def _alike(records: Array, places: Array) -> Iterator[tuple[int, int, int, int]]:
    """Pairs whose fingerprints differ in few bits: both places, the bits, and which of `turned` it was."""
    if len(places) < 2:
        return
    words = _words(records, places)
    variants = turned(words)[: 8 if len(places) <= MANY else 2]
    columns = [np.ascontiguousarray(words[:, i]) for i in range(4)]
    for start in range(0, len(places), ROWS):
        for number, variant in enumerate(variants):
            own = variant[start : start + ROWS]
            first = np.bitwise_count(own[:, None, 0] ^ columns[0][None, start + 1 :])
            rows, others = np.nonzero(first <= ALIKE // 4 + 9)
            others = others + start + 1
            later = others > rows + start
            rows, others = rows[later], others[later]
            bits = np.zeros(len(rows), np.int64)
            for i in range(4):
                bits += np.bitwise_count(own[rows, i] ^ columns[i][others])
            near = np.flatnonzero(bits <= ALIKE)
            for row, other, distance in zip(rows[near].tolist(), others[near].tolist(), bits[near].tolist()):
                yield int(places[start + row]), int(places[other]), distance, number


def _sharing_corners(records: Array, places: Array, roots: Array, cache: Cache) -> Iterator[tuple[int, int]]:
    """Pairs with several equal corners and different roots, likeliest first; corners of many images count for none."""
    if not 2 <= len(places) <= MOST:
        return
    digests = [digest.tobytes() for digest in records["digest"][places]]
    index = dict(zip(digests, places.tolist()))
    descriptors, owners = [], []
    for digest, features in cache.features(sorted(index)):
        descriptors.append(np.frombuffer(features.descriptors, np.uint8).reshape(-1, 32))
        owners.append(np.full(len(descriptors[-1]), index[digest], np.int64))
    if not owners:
        return
    rows, owner = np.ascontiguousarray(np.concatenate(descriptors).T), np.concatenate(owners)
    del descriptors, owners
    rng = np.random.default_rng(0)
    bands = [rng.choice(256, BAND_BITS, replace=False).tolist() for _ in range(BANDS)]
    votes = [each for band in bands for each in _votes(_keys(rows, band), owner)]  # one band's keys at a time
    if not votes:
        return
    pairs, which = np.unique(np.concatenate([codes for codes, _ in votes]), return_inverse=True)
    counts = np.bincount(which, np.concatenate([weights for _, weights in votes]))
    likely = np.flatnonzero(counts >= VOTES)
    pairs = pairs[likely[np.argsort(-counts[likely], kind="stable")]]
    first, second = pairs >> 32, pairs & 0xFFFFFFFF
    apart = roots[first] != roots[second]
    first, second = first[apart], second[apart]
    kept = (_rank(first) < LIKELIEST) & (_rank(second) < LIKELIEST)
    yield from zip(first[kept].tolist(), second[kept].tolist())


def _keys(rows: Array, band: list[int]) -> Array:
    """Some bits of each descriptor; `rows` holds the first byte of all of them, then the second."""
    keys = np.zeros(rows.shape[1], np.int32)
    for bit in band:
        keys = (keys << 1) | ((rows[bit >> 3] >> (7 - (bit & 7))) & 1)
    return keys


def _rank(owners: Array) -> Array:
    """How many of the same value stand before each."""
    order = np.argsort(owners, kind="stable")
    begins = np.flatnonzero(np.diff(owners[order], prepend=-1))
    ranks = np.empty(len(owners), np.int64)
    ranks[order] = np.arange(len(owners)) - np.repeat(begins, np.diff(begins, append=len(owners)))
    return ranks


def _votes(keys: Array, owner: Array) -> Iterator[tuple[Array, Array]]:
    """Codes of the pairs of images that have a key in common, and what each is worth: 1 where nobody else has it."""
    _, which, sizes = np.unique(keys, return_inverse=True, return_counts=True)
    shared = np.flatnonzero((sizes[which] > 1) & (sizes[which] <= CROWD))
    shared = shared[np.argsort(which[shared], kind="stable")]
    keys, owner, sizes = which[shared], owner[shared], sizes[which[shared]]
    for step in range(1, min(CROWD, len(keys))):
        same = keys[step:] == keys[:-step]
        one, other, size = owner[:-step][same], owner[step:][same], sizes[step:][same]
        apart = one != other
        low, high = np.minimum(one, other)[apart], np.maximum(one, other)[apart]
        yield (low << 32) | high, (1.0 / (size[apart] - 1.0)).astype(np.float32)
