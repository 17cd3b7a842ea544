"""What a logged number is, under each trainer's own tag."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lora_doctor.runs.facts import Curve

# First pattern that any tag fits wins; within it, the longest curve.
LOSS = ("loss/loss", "loss/current", "train/loss", "train_loss", "loss/train.*", "loss")
LEARNING_RATE = ("lr/unet", "lr/group0", "lr/.*", "learning_rate", "train/lr", "lr")
GRADIENT = ("gradient_norm", "grad_norm", "train/grad_norm", "norm/avg_grad_norm", ".*grad(ient)?_norm.*")
# Losses on images that are not trained on, at noise that is the same every time. sd-scripts' `divergence` is none: it
# subtracts a training loss at random timesteps.
HELD_OUT = (
    "stable_loss/held_out",
    ".*held[-_]out.*loss.*",
    "loss/validation_step/total_average",
    "loss/validation/step_average",
    "loss/validation/epoch_average",
    "val/loss",
    "validation/loss",
    "eval/loss",
    "(?!train/|loss/)[^/]+/loss",
)
KEY_NORM = ("max_norm/max_key_norm",)


def curve_of(curves: Iterable[Curve], role: tuple[str, ...]) -> Curve | None:
    """The curve that plays a role; None where no tag does."""
    listed = list(curves)
    for pattern in role:
        found = [curve for curve in listed if re.fullmatch(pattern, curve.name)]
        if found:
            return max(found, key=lambda curve: len(curve.steps))
    return None
