"""Which images each step trains on: a pure function of seed and step, so that a run resumes with no state to restore.

An epoch shows every item as often as it repeats. Its showings are shuffled within their bucket, cut into batches, and
the batches of all buckets are shuffled together. What is left over in a bucket makes a smaller batch: nothing is
dropped and nothing is shown twice to fill up. Batches of all epochs stand in one endless row; a step takes the next
`accumulation` x `ranks` of it, every rank its own, so that no epoch's end is lost either. Two ranks take in a step what
one takes with twice the accumulation: how many there are changes who computes a batch, not what is trained.

A batch weighs in the gradient by its images (`Batch.weight`, 1 on average over an epoch): the mean loss of a batch of
one would otherwise count each of its images as much as four of a batch of four.

Random numbers are hashes of what they are for (SplitMix64; Steele, Lea, Flood, OOPSLA 2014), not a generator's stream:
they are the same on every machine and with every numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lora_doctor.dataset.arrays import Array
from lora_doctor.source.document import SourceError

Bucket = tuple[int, ...]  # width and height, then those of control images, pixels


class Shown(NamedTuple):
    """One showing of an item: the `turn`th of this epoch (0 is the first)."""

    item: int
    epoch: int
    turn: int


class Batch(NamedTuple):
    """Items of one bucket that are trained on together; the loss is their mean times `weight`."""

    bucket: Bucket
    shown: tuple[Shown, ...]
    weight: float


def noise(seed: int, *parts: int | Array) -> Array:
    """64 random bits for every element of `parts` (which broadcast), the same for the same numbers for ever."""
    state = np.uint64(seed & 0xFFFFFFFFFFFFFFFF)
    with np.errstate(over="ignore"):
        mixed = _mixed(state + np.uint64(0x9E3779B97F4A7C15))
        for part in parts:
            step = np.asarray(part).astype(np.uint64) + np.uint64(1)
            mixed = _mixed(mixed + step * np.uint64(0x9E3779B97F4A7C15))
    return mixed


def uniform(seed: int, *parts: int | Array) -> Array:
    """The same as numbers from 0 up to, and without, 1."""
    return (noise(seed, *parts) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mixed(state: Array) -> Array:
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


class _Layout(NamedTuple):
    """One epoch: `item` and `turn` of its showings, bucket by bucket, and the batches cut from them, shuffled."""

    epoch: int
    item: Array
    turn: Array
    bucket: Array
    low: Array
    high: Array


class Order:
    """The row of batches of a run; holds the layout of the epoch it was last asked for."""

    def __init__(
        self, buckets: Sequence[Bucket], repeats: Sequence[float], batch_size: int, seed: int, *, ranks: int = 1
    ) -> None:
        """`buckets` and `repeats` of every item, in an order that does not change between runs.

        Raises:
            SourceError: nothing is ever shown.
        """
        self.batch_size, self.seed, self.ranks = batch_size, seed, ranks
        self.begun = 0  # places of the row that were taken before step 0: see `goes_on`
        self.buckets = sorted(set(buckets))
        place = {bucket: i for i, bucket in enumerate(self.buckets)}
        self._bucket = np.array([place[bucket] for bucket in buckets], np.int64)
        self._repeats = np.array(repeats, np.float64)
        self._phase = _spread(seed, len(buckets))
        self._whole = bool(np.all(self._repeats == np.floor(self._repeats)))
        self._counted: dict[int, int] = {}  # batches by epoch
        self._starts = [0]  # places in the row where the epochs begin, as far as they were looked for
        self._laid: _Layout | None = None
        if not float(self._repeats.sum()) > 0:
            raise SourceError("no image is ever shown: every folder is empty or repeats 0 times")

    def step(self, step: int, accumulation: int = 1, rank: int = 0) -> list[Batch]:
        """The batches that one rank trains on in a step (counted from 0)."""
        first = self.place(step, accumulation)
        return [self.batch(first + i * self.ranks + rank) for i in range(accumulation)]

    def place(self, step: int, accumulation: int = 1) -> int:
        """Where in the row a step begins: batches that are behind before it."""
        return self.begun + step * accumulation * self.ranks

    def goes_on(self, step: int, place: int, accumulation: int = 1) -> None:
        """Let a step begin at a place: where a run goes on that took other numbers of batches a step until here."""
        self.begun = place - step * accumulation * self.ranks

    def batch(self, place: int) -> Batch:
        """The batch at a place of the endless row."""
        epoch, within = self._epoch_of(place)
        if self._laid is None or self._laid.epoch != epoch:
            self._laid = self._layout(epoch)
        laid = self._laid
        low, high = int(laid.low[within]), int(laid.high[within])
        shown = (Shown(i, epoch, t) for i, t in zip(laid.item[low:high].tolist(), laid.turn[low:high].tolist()))
        weight = (high - low) * len(laid.low) / len(laid.item)
        return Batch(self.buckets[int(laid.bucket[within])], tuple(shown), weight)

    def epoch(self, step: int, accumulation: int = 1) -> float:
        """Epochs that are behind before a step."""
        epoch, within = self._epoch_of(self.place(step, accumulation))
        return epoch + within / max(1, self.batches(epoch))

    def batches(self, epoch: int) -> int:
        """Batches in an epoch; all have as many where images are shown whole times."""
        known = 0 if self._whole else epoch
        if known not in self._counted:
            shown = np.bincount(self._bucket, self._turns(known), len(self.buckets))
            self._counted[known] = int(np.ceil(shown / self.batch_size).sum())
        return self._counted[known]

    def steps(self, epochs: float, accumulation: int = 1) -> int:
        """Optimiser steps that show the whole of so many epochs."""
        whole = int(epochs)
        row = self._start(whole) + (epochs - whole) * self.batches(whole)
        return int(np.ceil(round(row / (accumulation * self.ranks), 9)))

    def _turns(self, epoch: int) -> Array:
        """Showings of every item in an epoch; parts of a repeat come round to whole ones over the epochs."""
        before = np.floor(epoch * self._repeats + self._phase)
        return (np.floor((epoch + 1) * self._repeats + self._phase) - before).astype(np.int64)

    def _start(self, epoch: int) -> int:
        if self._whole:
            return epoch * self.batches(0)
        while len(self._starts) <= epoch:
            self._starts.append(self._starts[-1] + self.batches(len(self._starts) - 1))
        return self._starts[epoch]

    def _epoch_of(self, place: int) -> tuple[int, int]:
        if self._whole:
            return divmod(place, self.batches(0))
        while self._starts[-1] <= place:
            self._start(len(self._starts))
        epoch = int(np.searchsorted(self._starts, place, side="right")) - 1
        return epoch, place - self._starts[epoch]

    def _layout(self, epoch: int) -> _Layout:
        turns = self._turns(epoch)
        item = np.repeat(np.arange(len(turns)), turns)
        turn = np.arange(len(item)) - np.repeat(np.cumsum(turns) - turns, turns)
        # all first showings before the second: a batch holds an image twice only where a bucket has too few others
        order = np.lexsort((noise(self.seed, epoch, item, turn), turn, self._bucket[item]))
        item, turn = item[order], turn[order]
        counts = np.bincount(self._bucket[item], minlength=len(self.buckets))
        batches = -(-counts // self.batch_size)
        bucket = np.repeat(np.arange(len(counts)), batches)
        nth = np.arange(len(bucket)) - np.repeat(np.cumsum(batches) - batches, batches)
        ends = np.cumsum(counts)
        low = (ends - counts)[bucket] + nth * self.batch_size
        high = np.minimum(low + self.batch_size, ends[bucket])
        shuffled = np.argsort(noise(self.seed, epoch, np.arange(len(bucket)), 1 << 32), kind="stable")
        return _Layout(epoch, item, turn, bucket[shuffled], low[shuffled], high[shuffled])


def _spread(seed: int, count: int) -> Array:
    """Numbers from 0 to 1, evenly spread and in random order: which images a part of a repeat shows first."""
    rank = np.argsort(np.argsort(noise(seed, np.arange(count), 1 << 33), kind="stable"), kind="stable")
    return (rank + 0.5) / max(1, count)
