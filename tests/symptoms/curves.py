"""Losses on fixed noise over steps: of a public run, and any other."""

from __future__ import annotations

import math
from typing import Any

LEVELS = (0.05, 0.2, 0.6, 1.0)  # the base's mean loss at four noise levels

# Held-out loss relative to its start, every 1000 steps: a 22-image SD 1.5 run whose author judged the samples by eye
# ("steps 2000 to 6000 usable"; spacepxl/demystifying-sd-finetuning@f23a53e, 5000 and 7000, 9000 interpolated).
SPACEPXL = {0: 0, 1000: -1.59, 2000: -1.87, 3000: -1.39, 4000: -0.41, 6000: 2.53, 8000: 7.2, 10000: 12.1}


def rows_of(
    curve: dict[int, float], images: int = 16, scatter: float = 0.0, on: str = "held_out"
) -> list[dict[str, Any]]:
    """Rows as the monitors write them: each image has its own difficulty, and a response of its own."""
    rows = []
    for step, share in curve.items():
        losses = [
            [
                level
                * (1 + 0.3 * math.sin(7 * i + 3 * k))
                * (1 + share * (1 + scatter * math.sin(5 * i + step * 0.001)))
                for k, level in enumerate(LEVELS)
            ]
            for i in range(images)
        ]
        rows.append({"step": step, "monitor": "loss", "set": on, "losses": losses})
    return rows
