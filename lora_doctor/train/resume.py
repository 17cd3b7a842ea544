"""Going on with a run: from which checkpoint, and what is no longer as it was. No torch."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lora_doctor.source.document import SourceError
from lora_doctor.train.folder import RunFolder, step_name, step_of
from lora_doctor.train.job import Job
from lora_doctor.train.schedules import DECAYING

STATE = Path("state") / "state.json"
# What decides the shapes or the meaning of a checkpoint's numbers: with another value it can't be gone on from.
FIXED = (
    "adapter.kind",
    "adapter.rank",
    "adapter.targets",
    "adapter.exclude",
    "adapter.rank_pattern",
    "adapter.rslora",
    "adapter.stack_on",
    "adapter.merge",
    "optimizer.name",
    "optimizer.ema",
    "precision.adapter",
)
QUIET = ("output", "saving.resume", "recipe", "training.steps", "logging", "memory.workers", "memory.cache_folder")


class Change(NamedTuple):
    """One key with another value than the run was started with; None: not set."""

    key: str
    before: Any
    after: Any

    @property
    def sentence(self) -> str:
        """`optimizer.learning_rate: 0.0001 before, 0.0002 now`."""
        return f"{self.key}: {_shown(self.before)} before, {_shown(self.after)} now"


def _shown(value: Any) -> str:
    if value is None:
        return "not set"
    return f"{value:g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def checkpoint_of(job: Job) -> Path | None:
    """The checkpoint a job goes on from; None where it starts at the beginning.

    Raises:
        SourceError: a run is there and nobody asked to go on with it, or what was asked for can't be gone on from.
    """
    folder, wanted = RunFolder(job.output), job.saving.resume
    steps = [step for step in folder.steps() if (folder.checkpoint(step) / STATE).is_file()]
    if wanted is False:
        _refuse_another(folder)
        return None
    if wanted is True:
        path = folder.checkpoint(steps[-1]) if steps else None
    else:
        path = Path(wanted).expanduser().absolute()
        if not (path / STATE).is_file():
            raise SourceError(f"saving.resume = {wanted!r} is no checkpoint with a state: name a folder like "
                              f"{folder.checkpoints / step_name(250)}")  # fmt: skip
        _refuse_overwriting(folder, path, steps)
    done = step_of(path.name) if path is not None else None
    if done is not None and done >= job.training.steps:
        raise SourceError(f"{path} has all of the {job.training.steps} steps: --steps N with a larger number goes on")
    return path


class Position(NamedTuple):
    """Where a checkpoint stands in the data's row: batches behind, and batches that a step took, of all processes."""

    place: int
    taken: int


def position_of(checkpoint: Path) -> Position | None:
    """Where a checkpoint stands; None where it can't be read (going on from it will say why)."""
    try:
        record = json.loads((checkpoint / STATE).read_bytes())
        return Position(int(record["place"]), int(record["taken"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def fitted(job: Job, checkpoint: Path) -> tuple[Job, str | None]:
    """The job with as many batches a step as the checkpoint's run took, with however many processes; what was done.

    Who computes a batch does not change what is trained: two processes and one that accumulates twice as much are the
    same run. An accumulation that was changed since is left alone.
    """
    found, own = position_of(checkpoint), job.training
    now = own.accumulation * job.copies
    if found is None or found.taken == now or own.accumulation != _before(checkpoint, own.accumulation):
        return job, None
    if found.taken % job.copies:
        return job, (
            f"a step takes {now} batches now and took {found.taken} before, which {_shares(job)} can't "
            f"share evenly: the effective batch is another, and the learning rate may want to be too"
        )
    accumulation = found.taken // job.copies
    return job._replace(training=own._replace(accumulation=accumulation, asked=own.accumulation)), (
        f"training.accumulation: {accumulation} in place of {own.accumulation}, so that a step takes {found.taken} "
        f"batches as before with {_shares(job)}"
    )


def _shares(job: Job) -> str:
    what = ("copy", "copies") if job.memory.pipeline_stages > 1 else ("process", "processes")
    return f"{job.copies} {what[job.copies > 1]}"


def as_asked(job: Job) -> Job:
    """The job as its config says it, with the accumulation that `fitted` replaced: what is written down."""
    own = job.training
    return job._replace(training=own._replace(accumulation=own.asked, asked=None)) if own.asked else job


def _before(checkpoint: Path, otherwise: int) -> int:
    """The accumulation in the config of the checkpoint's run."""
    try:
        table = tomllib.loads((checkpoint.parent.parent / "config.toml").read_text(encoding="utf-8"))["training"]
        return int(table["accumulation"])
    except (OSError, ValueError, KeyError, TypeError):
        return otherwise


def _refuse_another(folder: RunFolder) -> None:
    if folder.steps() or folder.log.exists():
        steps = folder.steps()
        last = f", up to {step_name(steps[-1])}" if steps else ""
        raise SourceError(f"{folder.root} holds a run already{last}: --resume goes on with it, another --output starts "
                          "a new one")  # fmt: skip


def _refuse_overwriting(folder: RunFolder, path: Path, steps: list[int]) -> None:
    step = step_of(path.name)
    if path.parent == folder.checkpoints.absolute() and step is not None and steps and steps[-1] > step:
        raise SourceError(f"{folder.root} has later checkpoints, up to {step_name(steps[-1])}, which going on from "
                          f"{step_name(step)} would write over: give another --output")  # fmt: skip


def changes(checkpoint: Path, job: Job, now: str) -> list[Change]:
    """What the run's saved config and the one now (TOML) differ in.

    Raises:
        SourceError: something changed that a checkpoint can't follow.
    """
    saved = checkpoint.parent.parent / "config.toml"
    try:
        before = dict(_flat(tomllib.loads(saved.read_text(encoding="utf-8"))))
    except (OSError, ValueError):
        return []  # a checkpoint that was carried elsewhere, without its run
    after = dict(_flat(tomllib.loads(now)))
    quiet = tuple(key for key in QUIET if key != "training.steps" or job.schedule.name not in DECAYING)
    keys = [key for key in dict.fromkeys((*before, *after)) if not key.startswith(quiet)]
    found = [Change(key, before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)]
    broken = [change for change in found if change.key in FIXED]
    if broken:
        raise SourceError(f"{broken[0].sentence}; {checkpoint} can't be gone on from so: set it back, or start anew "
                          "with another --output")  # fmt: skip
    return found


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping) and key not in ("adapter.rank_pattern", "adapter.alpha_pattern"):
            yield from _flat(value, f"{key}.")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            for number, item in enumerate(value):
                yield from _flat(item, f"{key}.{number}.")
        else:
            yield key, value
