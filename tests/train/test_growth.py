"""Growing resolution: buckets, order and noise of every size, going on across a change, and when it comes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lora_doctor.source.document import SourceError
from lora_doctor.train.described import lines
from lora_doctor.train.encode import sources_of
from lora_doctor.train.feed import Prepared, prepare
from lora_doctor.train.folder import RunFolder, read_rows
from lora_doctor.train.growth import Growing, grown, level, phases
from lora_doctor.train.images import read_pictures
from lora_doctor.train.job import Growth, Job, Saving, Training
from lora_doctor.train.loading import load
from lora_doctor.train.monitors import Monitors
from lora_doctor.train.preflight import preflight
from lora_doctor.train.start import train
from lora_doctor.train.targets import UnfitError
from lora_doctor.train.watch import Halt, State, Watcher, Watchers

from .process import weights
from .running import run, small_job

GROWTH = Growth((32, 48), (3, 2))


def growing_job(folder: Path, model: Path, **changes: Any) -> Job:
    training = Training(8, batch_size=2, seed=3)
    return small_job(folder, model, training=training, growth=GROWTH, saving=Saving(1))._replace(**changes)


def test_phases(tmp_path: Path, klein_folder: Path) -> None:
    job = growing_job(tmp_path, klein_folder)
    assert [(each.edge, each.start) for each in phases(job)] == [(32, 0), (48, 3), (64, 5)]
    assert [each.job.data[0].resolution for each in phases(job)] == [(32,), (48,), (64,)]
    assert len({each.job.training.seed for each in phases(job)}) == 3
    equal = phases(job._replace(growth=Growth((32, 48)), training=Training(10)))
    assert [each.start for each in equal] == [0, 3, 6]
    assert len(phases(job._replace(growth=Growth()))) == 1
    both = job._replace(data=(job.data[0]._replace(resolution=(32, 40, 64)),))
    assert [each.job.data[0].resolution for each in phases(both)] == [(32,), (32, 40, 48), (32, 40, 64)]


@pytest.mark.parametrize(
    ("growth", "sentence"),
    [
        (Growth((48, 32)), "each larger than the one before"),
        (Growth((64,)), "all smaller than the last, 64"),
        (Growth((32,), (8,)), "together fewer than the run's 8 steps"),
        (Growth((32, 48), (2,)), "one whole number for each of the 2"),
    ],
)
def test_what_does_not_grow(tmp_path: Path, klein_folder: Path, growth: Growth, sentence: str) -> None:
    with pytest.raises(SourceError, match=sentence):
        phases(growing_job(tmp_path, klein_folder, growth=growth))


def test_sizes_are_checked_before_anything_is_loaded(tmp_path: Path, klein_folder: Path) -> None:
    with pytest.raises(UnfitError, match=r"growth.resolution.*: 44 px is no multiple of 8"):
        preflight(growing_job(tmp_path, klein_folder, growth=Growth((44,))))


def test_the_dry_run_shows_it(tmp_path: Path, klein_folder: Path) -> None:
    job = growing_job(tmp_path, klein_folder)
    shown = list(lines(job, preflight(job).coverage))
    assert "growth      steps 1 to 3 at 32 px: 32x32: 6" in shown
    assert "growth      steps 4 to 5 at 48 px: 48x48: 6" in shown
    assert "growth      from step 6 on at 64 px" in shown
    assert "buckets     64x64: 6" in shown


class Ends:
    """A watcher that ends a run after so many steps."""

    def __init__(self, after: int) -> None:
        self._after = after

    def begin(self, state: State) -> None:
        pass

    def step(self, state: State) -> Halt | None:
        return Halt("for now") if state.step >= self._after else None

    def saved(self, state: State) -> None:
        pass

    def end(self, state: State, reason: str) -> None:
        pass


def measured() -> tuple[Watcher, ...]:
    return (Monitors(lambda _: None),)


def sizes(job: Job) -> list[int]:
    return [row["resolution"] for row in read_rows(RunFolder(job.output).log) if "loss" in row]


@pytest.mark.parametrize("plateau", [0, 1])
def test_a_run_goes_on_across_a_change_bit_for_bit(tmp_path: Path, klein_folder: Path, plateau: int) -> None:
    """From before, at, and behind a change; by steps, and where measurements decide when it comes."""
    still: dict[str, Any] = {"learning_rate": 0.0, "weight_decay": 0.0} if plateau else {}
    changes = {"growth": GROWTH._replace(plateau=plateau)}

    def job(name: str) -> Job:
        made = growing_job(tmp_path / name, klein_folder, **changes)
        return made._replace(optimizer=made.optimizer._replace(**still))

    whole, watching = job("whole"), measured if plateau else tuple
    run(whole, watching())
    expected = [32, 48] + [64] * 6 if plateau else [32] * 3 + [48] * 2 + [64] * 3
    assert sizes(whole) == expected
    rows = read_rows(RunFolder(whole.output).log)
    told = [(row["step"], row["resolution"]) for row in rows if row.get("event") == "resolution"]
    assert told == [(0, 32), (1, 48), (2, 64)] if plateau else [(0, 32), (3, 48), (5, 64)]
    epochs = [row["epoch"] for row in rows if "loss" in row]
    assert epochs == sorted(epochs)
    for stop in (1, 2, 3, 4, 6):
        broken = job(f"broken{stop}")
        assert run(broken, (*watching(), Ends(stop))).step == stop
        begun = RunFolder(broken.output)
        train(broken, Watchers(tuple(watching())), lambda _: None, begun.checkpoint(stop))
        assert sizes(broken) == expected
        for step in range(stop, 9):
            assert weights(begun.checkpoint(step)) == weights(RunFolder(whole.output).checkpoint(step)), (stop, step)


def test_latents_and_shift_are_those_of_the_size(tmp_path: Path, klein_folder: Path) -> None:
    """What is fed at every step: latents of the phase's size, each item once an epoch."""
    job = growing_job(tmp_path, klein_folder)
    fed = assembled(job)
    assert isinstance(fed.steps, Growing)
    shapes = [tuple(fed.steps(step)[0].latents.shape[-2:]) for step in range(8)]
    assert shapes == [(4, 4)] * 3 + [(6, 6)] * 2 + [(8, 8)] * 3
    shown = sorted(item for step in range(3) for batch in fed.steps(step) for item in batch.items)
    assert shown == list(range(6)), "every image once in an epoch at 32 px"
    assert fed.items[0].latents.shape[-1] == 8, "measured at the last size"
    fed.steps.close()


def assembled(job: Job) -> Prepared:
    family, models = load(job, "cpu")
    found, sources = read_pictures(job), sources_of(job, family, models)
    return grown(job, partial(prepare, found=found, sources=sources, folder=job.output / "cache"))


def test_a_plateau_brings_the_next_size(tmp_path: Path, klein_folder: Path) -> None:
    growing = Growing(phases(growing_job(tmp_path, klein_folder)), ())
    assert [growing.nth(step) for step in range(8)] == [0, 0, 0, 1, 1, 2, 2, 2]
    growing.advance(1)
    assert growing.starts == [0, 1, 3], "what comes between keeps its length"
    growing.advance(2)
    assert growing.starts == [0, 1, 2]


def rows(*losses: float) -> list[dict[str, Any]]:
    return [{"step": i, "monitor": "loss", "set": "held_out", "losses": [[loss]]} for i, loss in enumerate(losses)]


def test_level() -> None:
    assert not level(rows(1.0, 0.9, 0.8, 0.79), 0, 2), "it falls"
    assert not level(rows(1.0, 0.9), 0, 2), "too few"
    assert level(rows(1.0, 0.9, 0.91, 0.92), 0, 2)
    assert not level(rows(1.0, 0.9, 0.91, 0.89), 0, 2), "one of them is lower"
    assert not level(rows(0.5, 0.9, 0.8, 0.7), 1, 2), "what was before the start does not count"
    assert not level([], 0, 1)
