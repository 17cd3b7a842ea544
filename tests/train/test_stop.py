"""When a run ends early, on curves of a public run and on drawn ones."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import pytest

from lora_doctor.train.folder import RunFolder, append_row
from lora_doctor.train.job import Data, Job, Model, Stop, Training
from lora_doctor.train.stop import Stops, jitter, past_optimum
from lora_doctor.train.watch import State
from tests.symptoms.curves import SPACEPXL, rows_of

CURVE = {step: percent / 100 for step, percent in SPACEPXL.items()}


def test_a_public_run_is_past_its_optimum_when_it_is() -> None:
    rows = rows_of(CURVE, scatter=0.2)
    assert [past_optimum(rows[: n + 1], 3) is not None for n in range(len(rows))] == [False] * 5 + [True] * 3
    why = past_optimum(rows[:7], 3)
    assert why is not None
    assert "lowest at step 2,000, and the last 3 measurements lie at least 1.5% of the base model's loss above" in why


def test_a_slow_run_is_not_ended_by_noise() -> None:
    """Falls by 0.02 % per measurement, with jitter of the weights ten times as large that all images share in part."""
    rows = []
    for nth, (step, share) in enumerate({s: -0.0002 * s for s in range(80)}.items()):
        [row] = rows_of({step: share}, images=12)
        jitter = [0.002 * math.sin(50 * nth) + 0.002 * math.sin(9 * nth + 3 * i) for i in range(12)]
        row["losses"] = [[v * (1 + j) for v in image] for image, j in zip(row["losses"], jitter)]
        rows.append(row)
        assert past_optimum(rows, 4) is None


def test_jitter_is_measured() -> None:
    chance = random.Random(0)
    noisy = [0.5 + 0.001 * k + chance.gauss(0, 0.02) for k in range(200)]
    assert jitter(noisy) == pytest.approx(0.02, rel=0.25)
    assert jitter([1.0 - 0.1 * k for k in range(20)]) == pytest.approx(0, abs=1e-9)


def test_few_images_and_few_measurements_say_nothing() -> None:
    assert past_optimum(rows_of(CURVE, images=3), 3) is None
    assert past_optimum(rows_of(CURVE)[:3], 3) is None
    assert past_optimum([], 1) is None


def _state(folder: Path, **stop: Any) -> State:
    job = Job(folder, Model(folder, "sana"), (Data(folder, ("a.png",)),), Training(10), stop=Stop(**stop))
    return State(job, RunFolder(folder), None, None, 1, 10, {})  # type: ignore[arg-type]


def test_the_watcher(tmp_path: Path) -> None:
    asked, silent = _state(tmp_path, past_optimum=True, patience=3), _state(tmp_path, patience=3)
    stops = Stops()
    stops.begin(asked)
    for row in rows_of(CURVE)[:7]:
        assert stops.step(asked) is None
        append_row(tmp_path / "monitors.jsonl", row)
    assert Stops().step(silent) is None
    halt = stops.step(asked)
    assert halt is not None
    assert halt.reason.startswith("past the optimum")


@pytest.mark.parametrize(("hours", "steps"), [(0.01, 3), (1.0, 360)])
def test_the_budget_holds_one_more_step(tmp_path: Path, hours: float, steps: int) -> None:
    now = [100.0]
    stops = Stops(lambda: now[0])
    state = _state(tmp_path, max_hours=hours)
    stops.begin(state)
    done = 0
    while True:
        now[0] += 10.0
        done += 1
        halt = stops.step(state)
        if halt is not None:
            break
    assert done == steps
    assert f"{hours:g} hours (`stop.max_hours`)" in halt.reason
