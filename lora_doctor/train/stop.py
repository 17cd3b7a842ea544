"""When a run should end early: past its optimum, or out of its budget of time. No torch.

(A loss that is no number ends the run in the loop itself, before a step is made with it.)

Past the optimum means: each of the last `patience` measurements of the held-out loss is clearly above the lowest one:
by more than what the window of usable checkpoints allows, by three times what the curve jitters by from one measurement
to the next, and in 95 % of the draws of the held-out images with replacement. A fixed patience alone
stops slow runs far too early: with 3 measurements and a tenth of a percent, spacepxl's slowest run would have ended at
step 1,000 of an optimum at 8,100 (github.com/spacepxl/demystifying-sd-finetuning@f23a53e, event files).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from lora_doctor.symptoms.window import OPEN, Curve, curve_of
from lora_doctor.train.folder import read_rows
from lora_doctor.train.watch import Halt, State

DRAWS = 400
SURE = 0.95
CLEAR, DENSE = 3.0, 12  # times the jitter; points that tell it
FEWEST = 4  # images whose draws say anything


def past_optimum(rows: Iterable[Mapping[str, Any]], patience: int) -> str | None:
    """Why a run is past its optimum, by its rows of `monitors.jsonl`; None while it is not surely so."""
    curve = curve_of(rows, "held_out")
    if curve is None or len(curve.losses) < FEWEST or len(curve.steps) <= patience:
        return None
    mean = [sum(image[k] for image in curve.losses) / len(curve.losses) for k in range(len(curve.steps))]
    low = min(range(len(mean)), key=lambda place: mean[place])
    if len(mean) - 1 - low < patience:
        return None
    recent = range(len(mean) - patience, len(mean))
    rise = min(mean[place] - mean[low] for place in recent)
    least = max(OPEN[0], OPEN[1] * (mean[0] - mean[low]), CLEAR * jitter(mean))
    if rise < least or any(_risen(curve, low, place) < SURE for place in recent):
        return None
    return (
        f"past the optimum: the held-out loss was lowest at step {curve.steps[low]:,}, and the last {patience} "
        f"measurements lie at least {rise:.1%} of the base model's loss above it"
    )


def jitter(mean: Sequence[float]) -> float:
    """Standard deviation of a curve round its course, from the median of its second differences.

    0 of fewer than `DENSE` points, between which the course itself bends.
    """
    if len(mean) < DENSE:
        return 0.0
    bends = sorted(abs(a - 2 * b + c) for a, b, c in zip(mean, mean[1:], mean[2:]))
    return bends[len(bends) // 2] / (0.6745 * 6**0.5)  # the median of a normal variable's size; its variance is 6 times


def _risen(curve: Curve, low: int, place: int) -> float:
    """Share of draws of the images in which the loss at `place` is above that at `low`."""
    chance = random.Random(place)
    rises = [image[place] - image[low] for image in curve.losses]
    return sum(sum(chance.choices(rises, k=len(rises))) > 0 for _ in range(DRAWS)) / DRAWS


class Stops:
    """Watches for the end: of use, and of time. The clock starts when the run does, or goes on."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = self._last = clock()
        self._measured = 0.0  # change of `monitors.jsonl` that was judged last

    def begin(self, state: State) -> None:
        """The clock starts."""
        self._begun = self._last = self._clock()

    def step(self, state: State) -> Halt | None:
        """The reason to end, if there is one."""
        now = self._clock()
        took, self._last = now - self._last, now
        hours = state.job.stop.max_hours
        if hours is not None and now - self._begun + took > hours * 3600:
            return Halt(f"out of time: {hours:g} hours (`stop.max_hours`) would be over before the next step is done")
        if not state.job.stop.past_optimum:
            return None
        path = state.folder.monitors
        changed = path.stat().st_mtime_ns if path.exists() else 0
        if changed == self._measured:
            return None
        self._measured = changed
        why = past_optimum(read_rows(path), state.job.stop.patience)
        return Halt(why) if why else None

    def saved(self, state: State) -> None:
        """Nothing to do."""

    def end(self, state: State, reason: str) -> None:
        """Nothing to do."""
