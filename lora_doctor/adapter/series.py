"""Checkpoints of one run, in order: which are the same, and how the change grows from one to the next."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from lora_doctor.adapter.facts import Adapter
from lora_doctor.finding import Finding


class Series(NamedTuple):
    """Two or more files of one model, ordered by the step in their names; all with their weights measured."""

    adapters: tuple[Adapter, ...]

    @property
    def identical(self) -> tuple[tuple[Adapter, Adapter], ...]:
        """Neighbours with the same weights."""
        pairs = zip(self.adapters, self.adapters[1:])
        return tuple((a, b) for a, b in pairs if a.health and b.health and a.health.digest == b.health.digest)

    @property
    def norms(self) -> tuple[float, ...]:
        """Norm of all changes of each file."""
        return tuple(a.health.norm for a in self.adapters if a.health)

    def growth(self) -> dict[str, tuple[float, ...]]:
        """By block, each file's norm."""
        blocks = [a.health.blocks() for a in self.adapters if a.health]
        return {block: tuple(each.get(block, 0.0) for each in blocks) for block in (blocks[0] if blocks else {})}

    def finding(self, adapter: Adapter, message: str, action: str = "") -> Finding:
        """A finding about one of the files."""
        return adapter.finding(message, action)


def series_of(adapters: Sequence[Adapter]) -> Series | None:
    """The measured files as a series, where they belong to one model and have the same layers."""
    measured = [a for a in adapters if a.health]
    if len(measured) < 2 or len({tuple(sorted(layer.name for layer in a.layers)) for a in measured}) != 1:
        return None
    return Series(tuple(sorted(measured, key=lambda a: step_of(a.file.path.stem))))


def step_of(stem: str) -> tuple[float, str]:
    """The step or epoch at the end of a file's name; a name without one is the run's last."""
    numbers = re.findall(r"\d+", stem)
    numbered = re.search(r"(?:[-_.](?:step|epoch|s|e)?|step|epoch)0*(\d+)$", stem)
    return (float(numbered[1]) if numbered and numbers else float("inf"), stem)
