"""Creatures with limbs taken away or added: what an anatomical distortion looks like, so that it can be measured.

Pretraining never sees them. They train and try the network that counts legs.
"""

from __future__ import annotations

import random
from typing import Final

import numpy as np

from .subjects import BEETLE_HIPS, CRITTER_HIPS, LIZARD_HIPS, Drawer, beetle, critter, lizard

# Fewest and most legs that stay apart at 64 px: closer ones would grow together.
RANGE: Final = {"critter": (2, 5), "beetle": (3, 8), "lizard": (2, 6)}
SPREAD: Final = 0.1  # how much further out the outer legs grow where there are too many


def altered(subject: str, legs: int, rng: random.Random) -> Drawer:
    """A drawer of `subject` with that many legs: some left out where they were, or all set anew, evenly."""
    if subject == "critter":
        return critter(_hips(CRITTER_HIPS, legs, rng))
    usual = BEETLE_HIPS if subject == "beetle" else LIZARD_HIPS
    left = legs // 2 if rng.random() < 0.5 else legs - legs // 2
    sides = (_hips(usual, left, rng), _hips(usual, legs - left, rng))
    return beetle(sides) if subject == "beetle" else lizard(sides)


def _hips(usual: tuple[float, ...], number: int, rng: random.Random) -> tuple[float, ...]:
    if number <= len(usual) and rng.random() < 0.5:
        return tuple(sorted(rng.sample(usual, number)))
    if number == 1:
        return (rng.choice(usual),)
    more = SPREAD * (number > len(usual))
    return tuple(float(hip) for hip in np.linspace(usual[0] - more, usual[-1] + more, number))
