"""What is measured while a run goes on, on real runs of tiny pipelines."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import torch

from lora_doctor.symptoms.window import curve_of
from lora_doctor.train.debias import Debiased
from lora_doctor.train.folder import RunFolder, read_rows
from lora_doctor.train.job import Job, Saving, Training, Validation
from lora_doctor.train.live import Live
from lora_doctor.train.monitors import FEWEST, MOST, Monitors, cadence
from lora_doctor.train.start import train, watchers_of

from .running import run, saved, small_job

pytestmark = pytest.mark.filterwarnings("ignore:.*kernels-community.*")


def rows(job: Job, monitor: str) -> list[dict[str, Any]]:
    return [row for row in read_rows(RunFolder(job.output).monitors) if row["monitor"] == monitor]


@pytest.fixture(scope="module")
def done(sdxl_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, Monitors]:
    """Eight steps of batch 2, measured at every second."""
    job = small_job(tmp_path_factory.mktemp("monitors"), sdxl_folder, "sdxl", training=Training(8, batch_size=2))
    monitors = Monitors(print)
    run(job, [monitors])
    return job, monitors


def test_losses_of_both_sets_on_fixed_noise(done: tuple[Job, Monitors]) -> None:
    job, _ = done
    found = rows(job, "loss")
    assert [(row["step"], row["set"]) for row in found if row.get("base")] == [(0, "train"), (0, "held_out")]
    assert {row["step"] for row in found} == {0, *range(cadence(job), 9, cadence(job)), 8}
    by_set = {row["set"]: row for row in found}
    assert len(by_set["train"]["losses"]) == 6
    assert len(by_set["held_out"]["losses"]) == 2
    assert len(by_set["held_out"]["losses"][0]) == len(by_set["held_out"]["sigmas"]) == 8
    assert not {*by_set["train"]["images"]} & {*by_set["held_out"]["images"]}
    curve = curve_of(found, "held_out")
    assert curve is not None
    assert curve.steps[0] == 0
    assert sum(image[0] for image in curve.losses) / 2 == pytest.approx(1)


def test_everything_else_that_is_measured(done: tuple[Job, Monitors]) -> None:
    job, monitors = done
    last = {name: rows(job, name)[-1] for name in ("stable_loss", "prompts", "weights", "speed", "strength", "window")}
    assert {row["step"] for row in last.values()} == {8}
    assert 0 < last["prompts"]["drift"] < 1
    assert 0.5 < last["prompts"]["sensitivity"] < 2
    assert last["prompts"]["leakage"] is not None
    assert last["weights"]["norm"] > rows(job, "weights")[1]["norm"] > 0
    assert last["weights"]["unchanged"] < 0.5
    assert last["speed"]["memory_gb"] > 0
    assert last["strength"]["response"]["1"] == 1
    assert monitors.window is not None
    assert last["window"]["verdict"] == monitors.window.verdict
    assert monitors.standing.held_out == pytest.approx(last["stable_loss"]["held_out"], rel=1e-4)
    assert monitors.standing.loss is not None


def test_a_run_is_the_same_whoever_watches_it(done: tuple[Job, Monitors], tmp_path: Path) -> None:
    job, _ = done
    alone, all_of_them = (
        small_job(tmp_path / name, job.model.path, "sdxl", training=job.training) for name in ("alone", "all")
    )
    run(alone)
    live = Live(io.StringIO())
    assert train(all_of_them, watchers_of(live, live.say), live.say).status == "finished"
    for other in (job, all_of_them):
        left, right = saved(alone, 8), saved(other, 8)
        assert left.keys() == right.keys()
        assert all(torch.equal(left[name], right[name]) for name in left)
    assert (all_of_them.output / "samples/step-000008").is_dir()


def test_without_held_out_images_shifted_ones_stand_in(sdxl_folder: Path, tmp_path: Path) -> None:
    job = small_job(tmp_path, sdxl_folder, "sdxl", validation=Validation(held_out=0), training=Training(3))
    monitors = Monitors(print)
    run(job, [monitors])
    assert {row["set"] for row in rows(job, "loss")} == {"train", "shifted"}
    assert monitors.window is not None
    assert monitors.window.on == "shifted"


def test_how_often() -> None:
    def every(steps: int, batch: int, saving: int) -> int:
        job = Job(Path(), None, (), Training(steps, batch), saving=Saving(saving))  # type: ignore[arg-type]
        return cadence(job)

    for steps in (1, 7, 100, 300, 2000, 100_000):
        for batch in (1, 4, 32):
            for saving in (1, 50, 250):
                found = every(steps, batch, saving)
                assert found >= 1
                assert saving % found == 0 or found % saving == 0 or found * (saving // found) <= saving
                assert steps / found <= 2 * MOST
                assert steps / found >= FEWEST / 2 or found <= saving or steps < FEWEST
    assert every(2000, 1, 250) == 250
    assert every(2000, 32, 250) in (41, 50, 62)


def test_the_debiased_loss_does_not_depend_on_the_levels_drawn() -> None:
    levels, base = (0.1, 0.5, 0.9), (0.1, 1.0, 0.3)
    for drawn in ([0.1, 0.1], [0.9, 0.5], [0.3, 0.05], [1.0]):
        debiased = Debiased(levels, base)
        assert debiased.value is None
        for _ in range(200):
            debiased.add(drawn, [0.8 * debiased.base(level) for level in drawn])
        assert debiased.value == pytest.approx(0.8)
    debiased = Debiased(levels, base)
    assert debiased.base(0.3) == pytest.approx(0.55)
    assert (debiased.base(0.0), debiased.base(1.0)) == (0.1, 0.3)
    assert debiased.add([0.5], [float("nan")]) is None
