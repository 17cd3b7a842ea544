"""Learning-rate schedules: the factor on the rate as a pure function of the steps done, so resuming can't get it wrong.

The curves are those of `diffusers.optimization` (0.42), whose tests here compare them value by value.
"""

from __future__ import annotations

import math

from lora_doctor.source.document import SourceError
from lora_doctor.train.job import Schedule

DECAYING = ("linear", "cosine", "cosine_with_restarts", "polynomial")


def factor(schedule: Schedule, done: int, steps: int, rate: float) -> float:
    """What the learning rate `rate` is multiplied by for the step after `done` of `steps` optimiser steps.

    Decaying schedules fall from 1 to `final_learning_rate / rate` instead of 0.
    """
    name = schedule.name
    if name == "constant":
        return 1.0
    if name == "piecewise_constant":
        return _piecewise(schedule.rules or "", done)
    if done < schedule.warmup_steps:
        return done / max(1, schedule.warmup_steps)
    if name not in DECAYING:
        return 1.0
    end = schedule.final_learning_rate / rate if rate else 0.0
    return end + (1.0 - end) * _decay(schedule, done - schedule.warmup_steps, steps - schedule.warmup_steps)


def _decay(schedule: Schedule, done: int, length: int) -> float:
    """1 at the end of the warm-up, 0 at the end of the run."""
    progress = done / max(1, length)
    if schedule.name == "linear":
        return max(0.0, 1.0 - progress)
    if schedule.name == "polynomial":
        return float(max(0.0, 1.0 - progress) ** schedule.power)
    if schedule.name == "cosine":
        return max(0.0, 0.5 * (1.0 + math.cos(math.pi * progress)))
    if progress >= 1.0:
        return 0.0
    return max(0.0, 0.5 * (1.0 + math.cos(math.pi * ((schedule.cycles * progress) % 1.0))))


def _piecewise(rules: str, done: int) -> float:
    """`1:10,0.1:20,0.01`: factor 1 before step 10, 0.1 before step 20, then 0.01."""
    bounds, last = parse_rules(rules)
    return next((value for bound, value in bounds if done < bound), last)


def parse_rules(rules: str) -> tuple[list[tuple[int, float]], float]:
    """The bounds with their factors, and the last factor.

    Raises:
        SourceError: the text is no such list.
    """
    *pairs, last = rules.split(",")
    try:
        parted = [pair.split(":") for pair in pairs]
        bounds = sorted((int(step), float(value)) for value, step in parted)
        return bounds, float(last)
    except ValueError:
        raise SourceError(
            f"schedule.rules = {rules!r} can't be read: write factor:step pairs and a last factor, `1:10,0.1:20,0.01`"
        ) from None
