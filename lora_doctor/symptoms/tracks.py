"""What the logs say: losses that are no numbers, counters that fall back, held-out loss. The raw loss is never judged.

A training loss at random timesteps has a spread larger than anything the run does to it; what is read from it is only
whether it is a number.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median

from lora_doctor.runs.facts import Curve, Run
from lora_doctor.runs.roles import GRADIENT, HELD_OUT, LEARNING_RATE, LOSS, curve_of
from lora_doctor.symptoms.signals import Signal

FEWEST = 4  # points of a held-out loss that a minimum is looked for in
RISEN = 0.005  # of the first value
BEGUN = 0.02  # of the furthest step: a counter that falls below began anew
WINDOW = 50  # rows of gradient norms


def tracks(run: Run) -> tuple[Signal, ...]:
    """Every signal of the logs."""
    return tuple(_signals(run))


def _signals(run: Run) -> Iterator[Signal]:
    loss = curve_of(run.curves, LOSS)
    if loss is not None and loss.steps:
        wrong = [(step, value) for step, value in zip(loss.steps, loss.values) if not math.isfinite(value)]
        steps = tuple(step for step, _ in wrong) or (loss.steps[-1],)
        counts = tuple(float(i) for i in range(1, len(wrong) + 1)) or (0.0,)
        yield Signal("loss_broken", steps, counts, (len(loss.steps),) * len(steps), 0.0, "", (loss.source,))
    longest = max(run.curves, key=lambda curve: len(curve.steps), default=None)
    if longest is not None:
        yield _restarts(longest)
    rate = curve_of(run.curves, LEARNING_RATE)
    if rate is not None and len(rate.steps) > 1:
        yield from _rate_jumps(rate)
    gradient = curve_of(run.curves, GRADIENT)
    if gradient is not None and len(gradient.steps) >= 4 * WINDOW:
        yield _explosion(gradient)
    validation = curve_of(run.curves, HELD_OUT)
    if validation is not None:
        yield from held_out(validation)


def _restarts(curve: Curve) -> Signal:
    """How often the step counter fell back to the beginning."""
    furthest, falls, steps = 0, 0.0, []
    values = []
    for before, step in pairwise(curve.steps):
        furthest = max(furthest, before)
        if step < before and step <= max(2, BEGUN * furthest) and furthest > 20:
            falls += 1
            steps.append(furthest)
            values.append(falls)
    return Signal("counter_restarts", tuple(steps) or (curve.steps[-1],), tuple(values) or (0.0,), (), 0.0, "one start")


def _rate_jumps(curve: Curve) -> Iterator[Signal]:
    """The largest factor between neighbouring learning rates where the counter fell back or stood still."""
    jumps = [
        (step, after / before)
        for (old, before), (step, after) in pairwise(zip(curve.steps, curve.values))
        if step <= old and before > 0 and after > 0
    ]
    if jumps:
        worst = max(jumps, key=lambda jump: abs(math.log(jump[1])))
        yield Signal("rate_jump", (worst[0],), (abs(math.log2(worst[1])),), (), 0.0, "the rate before the break")


def _explosion(curve: Curve) -> Signal:
    """log10 of each window's median gradient norm by that of the first after warm-up."""
    chunks = [curve.values[i : i + WINDOW] for i in range(0, len(curve.values) - WINDOW + 1, WINDOW)]
    levels = [median(v if math.isfinite(v) else math.inf for v in chunk) for chunk in chunks]
    base = max(min(levels[1 : max(3, len(levels) // 4)]), 1e-12)
    steps = tuple(curve.steps[i] for i in range(WINDOW - 1, len(curve.steps), WINDOW))[: len(levels)]
    values = tuple(math.log10(max(level, 1e-12) / base) if math.isfinite(level) else 9.0 for level in levels)
    return Signal("gradient_growth", steps, values, (WINDOW,) * len(steps), 0.0, "the beginning of the run")


def held_out(curve: Curve, images: int | None = None) -> Iterator[Signal]:
    """Rise above the minimum, how far beyond it the run went, and whether it still falls at the end.

    images: behind each value, where that is known; else the number of values stands for how much is known.
    """
    points = sorted({step: value for step, value in zip(curve.steps, curve.values) if math.isfinite(value)}.items())
    if len(points) < FEWEST or points[0][1] <= 0:
        return
    steps = tuple(step for step, _ in points)
    smooth = _smoothed([value for _, value in points])
    lowest = min(range(len(smooth)), key=smooth.__getitem__)
    start = smooth[0]
    running = [min(smooth[: i + 1]) for i in range(len(smooth))]
    counts = (images or len(points),) * len(points)
    yield Signal(
        "heldout_rise", steps, tuple((v - m) / start for v, m in zip(smooth, running)), counts, 0.0, "its minimum"
    )
    best = steps[lowest]
    if best > 0 and smooth[-1] - smooth[lowest] >= RISEN * start:  # below, the minimum is anywhere
        yield Signal(
            "past_optimum", steps, tuple(step / best for step in steps), counts, 1.0, f"the minimum at {best:,}"
        )
    tail = [(step, value) for step, value in zip(steps, smooth) if step >= 0.7 * steps[-1]]
    if len(tail) >= 2 and steps[-1] > 0:
        slope = (tail[-1][1] - tail[0][1]) / max(tail[-1][0] - tail[0][0], 1) * steps[-1] / 10 / start
        yield Signal("heldout_slope", (steps[-1],), (slope,), (len(tail),), 0.0, "a level loss")


def _smoothed(values: Sequence[float]) -> list[float]:
    """Running means of three, the ends as they are."""
    inner = [sum(values[i - 1 : i + 2]) / 3 for i in range(1, len(values) - 1)]
    return [values[0], *inner, values[-1]]
