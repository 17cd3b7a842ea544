"""Growing resolution: a run begins with small images, which are cheap, and ends at the size the LoRA is for.

Adapter, optimiser, average and learning-rate schedule go on; buckets, and with them the shift of noise levels, are
those of the resolution trained at; encoded images lie in the cache under their own size. Everything is measured at the
last resolution from the start on, so that the curves have no steps in them: a plateau there says that smaller images
have given what they can. No torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

from lora_doctor.source.document import SourceError
from lora_doctor.symptoms.window import curve_of
from lora_doctor.train.folder import append_row, read_rows
from lora_doctor.train.job import Job
from lora_doctor.train.watch import Halt, State

if TYPE_CHECKING:
    from lora_doctor.train.feed import Loaded, Prepared, Steps

_SEEDS = 1_000_003  # from one resolution's order of images to the next one's


class Phase(NamedTuple):
    """The run at one resolution: `job` has its sizes. `start`: optimiser steps before it, as far as is planned."""

    edge: int
    start: int
    job: Job


def phases(job: Job) -> tuple[Phase, ...]:
    """A job's resolutions in their order; one, the job itself, where it does not grow.

    Raises:
        SourceError: edges or steps do not fit each other, the last resolution or the run.
    """
    growth, last = job.growth, max(max(data.resolution) for data in job.data)
    edges = (*growth.resolution, last)
    if any(not isinstance(edge, int) or edge < 16 for edge in edges) or list(edges) != sorted(set(edges)):
        raise SourceError(f"growth.resolution = {list(edges[:-1])}: edge lengths in pixels, each larger than the one "
                          f"before and all smaller than the last, {last}")  # fmt: skip
    starts = (0, *accumulate(_steps(job)))
    jobs = (*(_at(job, edge, number) for number, edge in enumerate(edges[:-1])), _seeded(job, len(edges) - 1))
    return tuple(map(Phase, edges, starts, jobs))


def _steps(job: Job) -> tuple[int, ...]:
    """Optimiser steps at each resolution but the last."""
    growth, count = job.growth, len(job.growth.resolution)
    if not growth.steps:
        return (job.training.steps // (count + 1),) * count
    wrong = len(growth.steps) != count or any(not isinstance(each, int) or each < 1 for each in growth.steps)
    if wrong or sum(growth.steps) >= job.training.steps:
        raise SourceError(
            f"growth.steps = {list(growth.steps)}: one whole number for each of the {count} of growth.resolution, "
            f"together fewer than the run's {job.training.steps} steps"
        )
    return growth.steps


def _at(job: Job, edge: int, number: int) -> Job:
    """The job with no image larger than `edge`."""
    smaller = [tuple(dict.fromkeys(min(edge, own) for own in data.resolution)) for data in job.data]
    data = tuple(each._replace(resolution=edges) for each, edges in zip(job.data, smaller))
    return _seeded(job._replace(data=data), number)


def _seeded(job: Job, number: int) -> Job:
    """Another order of images at each resolution."""
    return job._replace(training=job.training._replace(seed=job.training.seed + _SEEDS * number))


class Growing:
    """What every step trains on, in a run that grows; takes the place of the data's `Steps`.

    `starts` are the steps before each resolution. They are part of a checkpoint: a plateau moves them.
    """

    def __init__(
        self, phases: Sequence[Phase], steps: Sequence[Steps], agreed: Callable[[list[int]], list[int]] | None = None
    ) -> None:
        """`agreed` gives every process the first one's starts, where several train."""
        self.edges = [phase.edge for phase in phases]
        self.starts = [phase.start for phase in phases]
        self._steps, self._agreed = steps, agreed

    def nth(self, step: int) -> int:
        """Which resolution a step (counted from 0) is trained at."""
        return max(i for i, start in enumerate(self.starts) if start <= step)

    def __call__(self, step: int) -> list[Loaded]:
        """The batches of one step (counted from 0)."""
        if self._agreed is not None:
            self.starts[:] = self._agreed(self.starts)
        nth = self.nth(step)
        return self._steps[nth](step - self.starts[nth])

    @property
    def taken(self) -> int:
        """Batches that a step takes, over all processes."""
        return self._steps[-1].taken

    def place(self, step: int) -> int:
        """Where in the row of its resolution a step begins."""
        nth = self.nth(step)
        return self._steps[nth].place(step - self.starts[nth])

    def goes_on(self, step: int, place: int) -> None:
        """Let a step begin at a place of its resolution's row."""
        nth = self.nth(step)
        self._steps[nth].goes_on(step - self.starts[nth], place)

    def epoch(self, step: int) -> float:
        """Epochs that are behind before a step, over all resolutions."""
        ends = [*self.starts[1:], step]
        done = [max(0, min(step, end) - start) for start, end in zip(self.starts, ends)]
        return sum(steps.epoch(each) for steps, each in zip(self._steps, done) if each)

    def growing(self, step: int) -> bool:
        """Whether a step is at another size than the last one."""
        return self.nth(step) < len(self.edges) - 1

    def told(self, step: int) -> dict[str, Any]:
        """What a step's row in the log says of it."""
        return {"resolution": self.edges[self.nth(step)]}

    def advance(self, step: int) -> None:
        """Go on to the next resolution after `step` steps; the ones between keep their length."""
        nth = self.nth(step)
        sooner = self.starts[nth + 1] - step
        if sooner > 0:
            self.starts[nth + 1 :] = [each - sooner for each in self.starts[nth + 1 :]]

    def close(self) -> None:
        """Drop what was fetched ahead."""
        for each in self._steps:
            each.close()


def grown(
    job: Job, prepare: Callable[[Job], Prepared], agreed: Callable[[list[int]], list[int]] | None = None
) -> Prepared:
    """A job's data, encoded at every resolution; measured and held out is the last one's."""
    every = phases(job)
    made = [prepare(phase.job) for phase in every]
    if len(made) == 1:
        return made[0]
    steps: Any = Growing(every, [each.steps for each in made], agreed if job.growth.plateau else None)
    return made[-1]._replace(steps=steps)


class Growth:
    """The watcher that goes on to the next resolution on a plateau, and says when one begins."""

    def __init__(self, growing: Growing, say: Callable[[str], None]) -> None:
        self._growing, self._say = growing, say
        self._measured = 0  # changes of `monitors.jsonl` that were judged

    def begin(self, state: State) -> None:
        """Which resolution it begins with."""
        self._tell(state, "training begins" if state.step == 0 else "training goes on")

    def step(self, state: State) -> Halt | None:
        """Looks whether it is time."""
        growing, nth = self._growing, self._growing.nth(state.step - 1)
        last = nth == len(growing.edges) - 1
        if state.last or last:
            return None
        why = f"after {growing.starts[nth + 1] - growing.starts[nth]:,} steps"
        if state.job.growth.plateau and growing.nth(state.step) == nth and self._level(state, nth):
            growing.advance(state.step)
            count = state.job.growth.plateau
            why = f"the held-out loss has not fallen in {count} measurement{'s' * (count != 1)}"
        if growing.nth(state.step) != nth:
            self._tell(state, f"{why}, training goes on")
        return None

    def _tell(self, state: State, why: str) -> None:
        edge = self._growing.edges[self._growing.nth(state.step)]
        self._say(f"step {state.step:,}: {why} at {edge} px")
        append_row(state.folder.log, {"step": state.step, "event": "resolution", "resolution": edge, "why": why})

    def _level(self, state: State, nth: int) -> bool:
        path = state.folder.monitors
        changed = path.stat().st_mtime_ns if path.exists() else 0
        if changed == self._measured:
            return False
        self._measured = changed
        return level(read_rows(path), self._growing.starts[nth], state.job.growth.plateau)

    def saved(self, state: State) -> None:
        """Nothing to do."""

    def end(self, state: State, reason: str) -> None:
        """Nothing to do."""


def level(rows: Sequence[dict[str, Any]], start: int, patience: int) -> bool:
    """Whether the held-out loss (of shifted copies where none is held out) has stopped falling since step `start`.

    It has where none of the last `patience` measurements after the start is below the lowest before them.
    """
    curve = curve_of(rows, "held_out") or curve_of(rows, "shifted")
    if curve is None:
        return False
    mean = [sum(image[k] for image in curve.losses) / len(curve.losses) for k in range(len(curve.steps))]
    since = [loss for step, loss in zip(curve.steps, mean) if step >= start]
    return len(since) > patience and min(since[-patience:]) >= min(since[:-patience])
