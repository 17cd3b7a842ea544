"""The loop's contract with whoever watches it: validation, monitors, the live view, stop rules.

A watcher never changes weights, gradients or the schedule, and needs not care for random numbers: the loop seeds every
step anew from (seed, step). It may say that the run should end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from lora_doctor.train.folder import RunFolder
from lora_doctor.train.job import Job

if TYPE_CHECKING:
    from lora_doctor.train.families import Family


class Halt(NamedTuple):
    """A watcher's wish that the run ends here: one sentence with the value and what it means."""

    reason: str


class State(NamedTuple):
    """The run after `step` optimiser steps; step 0 is before the first.

    `metrics` of the step: `loss`, `learning_rate`, `gradient_norm` (before clipping), `seconds`; of each image its
    noise level and error (`levels`, `errors`). `models` is the family's `Models`, with the adapter in its denoiser.
    Inside `with state.averaged():` the denoiser has the weights that a checkpoint saves (the moving average where one
    is kept).
    """

    job: Job
    folder: RunFolder
    family: Family
    models: Any
    step: int
    steps: int
    metrics: Mapping[str, Any]
    items: Sequence[Any] = ()  # images trained on
    held_out: Sequence[Any] = ()  # images kept out of training
    device: Any = "cpu"
    averaged: Callable[[], AbstractContextManager[None]] = nullcontext
    growing: bool = False  # the step was trained at another size than what is measured

    @property
    def last(self) -> bool:
        """Whether the run has reached its last step."""
        return self.step >= self.steps


class Watcher(Protocol):
    """Something that looks at a run."""

    def begin(self, state: State) -> None:
        """Called once before the first step, with step 0 or, resuming, the checkpoint's step."""

    def step(self, state: State) -> Halt | None:
        """Called after every optimiser step."""

    def saved(self, state: State) -> None:
        """Called after a checkpoint of this step was written."""

    def end(self, state: State, reason: str) -> None:
        """Called once after the last step, however the run ends, except by a kill."""


class Watchers(NamedTuple):
    """All watchers of a run, asked in their order."""

    all: tuple[Watcher, ...] = ()

    def begin(self, state: State) -> None:
        """The run begins or goes on."""
        for each in self.all:
            each.begin(state)

    def step(self, state: State) -> Halt | None:
        """One step is done; the first wish to end, if any. Every watcher sees the step."""
        wishes = [each.step(state) for each in self.all]
        return next((wish for wish in wishes if wish is not None), None)

    def saved(self, state: State) -> None:
        """A checkpoint was written."""
        for each in self.all:
            each.saved(state)

    def end(self, state: State, reason: str) -> None:
        """The run is over."""
        for each in self.all:
            each.end(state, reason)
