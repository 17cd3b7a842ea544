"""The order of batches: nothing dropped, nothing twice, the same again from any step, on any number of ranks."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lora_doctor.source.document import SourceError
from lora_doctor.train.sampler import Order, noise, uniform

SIZES = [(64, 64), (64, 96), (96, 64)]
items = st.lists(st.tuples(st.sampled_from(SIZES), st.integers(1, 4)), min_size=1, max_size=40)
orders = st.builds(
    lambda items, batch, seed: Order([b for b, _ in items], [float(r) for _, r in items], batch, seed),
    items,
    st.integers(1, 6),
    st.integers(0, 2**40),
)


def _epoch(order: Order, epoch: int) -> list:  # type: ignore[type-arg]
    start = sum(order.batches(e) for e in range(epoch))
    return [order.batch(start + i) for i in range(order.batches(epoch))]


@given(items, st.integers(1, 6), st.integers(0, 2**40), st.integers(0, 3))
def test_an_epoch_shows_every_image_as_often_as_it_repeats(items, batch, seed, epoch) -> None:  # type: ignore[no-untyped-def]
    order = Order([b for b, _ in items], [float(r) for _, r in items], batch, seed)
    batches = _epoch(order, epoch)
    seen = Counter(shown.item for each in batches for shown in each.shown)
    assert seen == {i: r for i, (_, r) in enumerate(items)}
    assert all(items[shown.item][0] == each.bucket for each in batches for shown in each.shown)
    assert all(1 <= len(each.shown) <= batch for each in batches)
    for bucket in SIZES:  # at most one smaller batch per bucket
        assert sum(len(each.shown) < batch for each in batches if each.bucket == bucket) <= 1
    turns = Counter((shown.item, shown.turn) for each in batches for shown in each.shown)
    assert set(turns.values()) == {1}


@given(orders, st.integers(0, 3))
def test_every_image_weighs_the_same_over_an_epoch(order: Order, epoch: int) -> None:
    batches = _epoch(order, epoch)
    assert sum(each.weight for each in batches) == pytest.approx(len(batches))
    each_image = {round(each.weight / len(each.shown), 9) for each in batches}
    assert len(each_image) == 1


@given(
    items, st.integers(1, 4), st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 9)), min_size=1)
)
def test_a_run_that_goes_on_with_other_ranks_misses_nothing(items, batch, legs) -> None:  # type: ignore[no-untyped-def]
    """Each leg: ranks, accumulation, steps."""
    done = place = 0
    taken = []
    for ranks, accumulation, steps in legs:
        order = Order([b for b, _ in items], [float(r) for _, r in items], batch, 7, ranks=ranks)
        order.goes_on(done, place, accumulation)
        for step in range(done, done + steps):
            parts = [order.step(step, accumulation, rank) for rank in range(ranks)]
            taken += [parts[rank][part] for part in range(accumulation) for rank in range(ranks)]
        done += steps
        place = order.place(done, accumulation)
    alone = Order([b for b, _ in items], [float(r) for _, r in items], batch, 7)
    assert taken == [alone.batch(number) for number in range(place)]


@given(items, st.integers(1, 4), st.integers(1, 3), st.integers(1, 4), st.integers(0, 60))
def test_a_step_is_the_same_from_anywhere(items, batch, accumulation, ranks, step) -> None:  # type: ignore[no-untyped-def]
    def fresh() -> Order:
        return Order([b for b, _ in items], [float(r) for _, r in items], batch, 7, ranks=ranks)

    walked = fresh()
    for before in range(step):
        walked.step(before, accumulation)
    whole = []
    for rank in range(ranks):
        alone = fresh().step(step, accumulation, rank)
        assert alone == walked.step(step, accumulation, rank)
        whole.append(alone)
    # the ranks of one step share out consecutive places of one row, each place once
    first = step * accumulation * ranks
    row = [fresh().batch(first + i) for i in range(accumulation * ranks)]
    assert [whole[i % ranks][i // ranks] for i in range(len(row))] == row


@given(st.integers(1, 30), st.floats(0.05, 5), st.integers(1, 4), st.integers(1, 12))
def test_parts_of_a_repeat_come_round(count: int, repeats: float, batch: int, epochs: int) -> None:
    order = Order([(64, 64)] * count, [repeats] * count, batch, 3)
    seen = Counter(s.item for epoch in range(epochs) for each in _epoch(order, epoch) for s in each.shown)
    for item in range(count):
        assert abs(seen[item] - epochs * repeats) < 1 + 1e-6
    per_epoch = [sum(len(each.shown) for each in _epoch(order, epoch)) for epoch in range(epochs)]
    assert max(per_epoch) - min(per_epoch) <= 1


@settings(max_examples=30)
@given(orders, st.integers(1, 3))
def test_steps_of_an_epoch(order: Order, accumulation: int) -> None:
    steps = order.steps(2, accumulation)
    assert steps * accumulation >= order.batches(0) + order.batches(1) > (steps - 1) * accumulation
    assert order.epoch(steps, accumulation) >= 2


def test_seeds_and_epochs_differ() -> None:
    one, other = (Order([(64, 64)] * 64, [1.0] * 64, 4, seed) for seed in (0, 1))
    assert _epoch(one, 0) != _epoch(other, 0)
    assert [b.shown for b in _epoch(one, 0)] != [b.shown for b in _epoch(one, 1)]


def test_the_numbers_never_change() -> None:
    """A resumed run must meet the same order under another version of numpy or of us."""
    assert noise(0).tolist() == 0xE220A8397B1DCDAF  # SplitMix64's first number for seed 0
    assert noise(1, 2, 3).tolist() == 9613205829653846581
    order = Order([(64, 64)] * 6 + [(64, 96)] * 3, [1.0] * 9, 2, 42)
    assert [[s.item for s in b.shown] for b in _epoch(order, 0)] == [[1, 3], [2, 0], [8, 6], [7], [5, 4]]


def test_the_numbers_are_uniform() -> None:
    import numpy as np

    drawn = uniform(3, np.arange(40_000), 1)
    counts = np.histogram(drawn, 20, (0, 1))[0]
    assert ((counts - 2000) ** 2 / 2000).sum() < 44  # chi-squared, 19 degrees of freedom, p = 0.001
    assert abs(float(np.corrcoef(drawn[1:], drawn[:-1])[0, 1])) < 0.02


def test_nothing_to_show() -> None:
    with pytest.raises(SourceError, match="no image is ever shown"):
        Order([(64, 64)], [0.0], 1, 0)
    with pytest.raises(SourceError, match="no image is ever shown"):
        Order([], [], 1, 0)


def test_a_hundred_thousand_images_take_little_memory() -> None:
    code = (
        "import resource, time\n"
        "from lora_doctor.train.sampler import Order\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "order = Order([(64 + 16 * (i % 40), 64) for i in range(100_000)], [10.0] * 100_000, 4, 0, ranks=8)\n"
        "t = time.process_time(); order.step(50_000, 4, 7); seconds = time.process_time() - t\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, seconds)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    kilobytes, seconds = map(float, run.stdout.split())
    assert kilobytes < 300_000  # a million showings per epoch
    assert seconds < 10
