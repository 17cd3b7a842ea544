"""A denoiser cut into stages trains what it trains whole; when one stage dies, the run ends and can be gone on with."""

from __future__ import annotations

import json
import os
import shutil
import signal
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_doctor.train import adapters
from lora_doctor.train.cut import cut
from lora_doctor.train.folder import RunFolder, read_rows
from lora_doctor.train.job import Adapter
from lora_doctor.train.loading import load_folder
from lora_doctor.train.pipeline import Line, Place
from lora_doctor.train.storage import blocks_of

from .process import config, start, train
from .test_together import NEVER, ends, folders, lora, losses, measured, ranks, trains

KEEPING = {"prior_weight": 0.5, "prior_prompts": ["a star"]}


@given(st.lists(st.integers(0, 50), min_size=1, max_size=9), st.data())
def test_the_largest_stage_is_as_small_as_can_be(weights: list[int], data: st.DataObject) -> None:
    stages = data.draw(st.integers(1, len(weights)))
    firsts = cut(tuple(weights), stages)
    assert (len(firsts), firsts[0], list(firsts)) == (stages, 0, sorted(set(firsts)))

    def largest(firsts: tuple[int, ...]) -> int:
        ends = (*firsts[1:], len(weights))
        return max(sum(weights[begin:end]) for begin, end in zip(firsts, ends))

    every = combinations(range(1, len(weights)), stages - 1)
    assert largest(firsts) == min(largest((0, *rest)) for rest in every)


@pytest.mark.parametrize("family", ["klein", "sana"])
def test_every_stage_holds_its_own_blocks_alone(family: str, request: pytest.FixtureRequest) -> None:
    held = []
    for stage in range(2):
        own, models = load_folder(request.getfixturevalue(f"{family}_folder"))
        adapters.inject(own, models, Adapter(rank=2, alpha=2))
        whole = sum(p.numel() for p in models.denoiser.parameters())
        lora = sum(p.numel() for p in adapters.trainable(own, models).values())
        blocks = sum(p.numel() for b in blocks_of(models.denoiser) for p in b.parameters() if not p.requires_grad)
        Line(models, Place(stage, 2, None, (0, 1)))
        now = sum(p.numel() for p in models.denoiser.parameters())
        held.append(now - (whole - blocks))
        assert sum(p.numel() for p in adapters.trainable(own, models).values()) == lora
    assert sum(held) == blocks
    assert min(held) > 0


def settings(folder: Path, model: Path, steps: int = 4, accumulation: int = 2) -> Path:
    """Four images of two sizes in batches of two; no dropout, of which every stage draws its own."""
    training = {"steps": steps, "batch_size": 2, "accumulation": accumulation}
    tables: dict[str, Any] = {
        "training": training,
        "adapter": {"dropout": 0.0},
        "saving": {"every_steps": 2},
        "keeping": KEEPING,
    }
    return config(folder, model, **tables)


def run(folder: Path, model: Path, *args: str, accumulation: int = 2) -> Path:
    """A run's folder."""
    ran = train(settings(folder, model, accumulation=accumulation), *args, "--no-preflight", cwd=folder)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.count("finished at step 4 of 4") == 1, ran.stderr
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, klein_folder: Path) -> Path:
    """The folder of a run of one process."""
    return run(tmp_path_factory.mktemp("whole"), klein_folder)


def same(one: Path, other: Path) -> None:
    """The losses, LoRA, samples and measurements of two runs are."""
    assert dict(losses(other)) == pytest.approx(dict(losses(one)), rel=1e-5)
    for step in (2, 4):
        assert lora(other, step) == pytest.approx(lora(one, step), abs=1e-5)
    mine, theirs = folders(one, other)
    rows = [[(row["file"], row["flat"]) for row in read_rows(each.samples)] for each in (mine, theirs)]
    assert rows[0] == rows[1] != []
    assert measured(theirs) == pytest.approx(measured(mine), rel=1e-4)
    files = [sorted(path.name for path in each.checkpoint(4).rglob("*")) for each in (mine, theirs)]
    assert files[0] == files[1]


@pytest.mark.slow
def test_two_stages_train_what_one_process_does(tmp_path: Path, klein_folder: Path, whole: Path) -> None:
    same(whole, run(tmp_path, klein_folder, "--pipeline-stages", "2"))
    record = json.loads(RunFolder(tmp_path / "run").run.read_bytes())
    assert record["processes"] == 2


@pytest.mark.slow
def test_stages_of_sana(tmp_path: Path, sana_folder: Path) -> None:
    one, two = (tmp_path / name for name in ("one", "two"))
    for each in (one, two):
        each.mkdir()
    same(run(one, sana_folder), run(two, sana_folder, "--pipeline-stages", "2"))


@pytest.mark.slow
@pytest.mark.skipif((os.cpu_count() or 1) < 4, reason="a process takes a core")
def test_copies_of_two_stages_see_different_images(tmp_path: Path, klein_folder: Path, whole: Path) -> None:
    args = ("--pipeline-stages", "2", "--num-processes", "4")
    same(whole, run(tmp_path, klein_folder, *args, accumulation=1))


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1)])
def test_a_run_goes_on_with_another_number_of_stages(
    before: int, after: int, tmp_path: Path, klein_folder: Path, whole: Path
) -> None:
    if before > 1:
        run(tmp_path, klein_folder, "--pipeline-stages", str(before))
    else:
        shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
        text = (tmp_path / "run.toml").read_text()
        (tmp_path / "run.toml").write_text(text.replace(str(whole), str(tmp_path)))
    shutil.rmtree(RunFolder(tmp_path / "run").checkpoint(4))
    ran = train("run.toml", "--pipeline-stages", str(after), "--resume", "--no-preflight", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    same(whole, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_when_a_stage_is_killed_the_run_ends_and_can_be_gone_on_with(
    killed: int, tmp_path: Path, klein_folder: Path
) -> None:
    path = settings(tmp_path, klein_folder, NEVER)
    process = start(path, "--pipeline-stages", "2", "--no-preflight", cwd=tmp_path)
    made = trains(tmp_path, process)
    ranks(process)[killed].send_signal(signal.SIGKILL)
    code, seconds = ends(process, 60)
    text = (tmp_path / "out.txt").read_text()
    assert (code, seconds < 30) == (2, True), text
    assert f"process {killed} of 2 was killed (SIGKILL" in text
    assert "Traceback" not in text
    assert json.loads(made.run.read_bytes())["status"] == "failed"
    last = made.steps()[-1]
    more = ("--resume", "--pipeline-stages", "1", "--num-processes", "1", "--steps", str(last + 2))
    ran = train(path, *more, "--no-preflight", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert [step for step, _ in losses(tmp_path)] == list(range(1, last + 3))


@pytest.mark.parametrize(
    ("args", "tables", "told"),
    [
        (("--pipeline-stages", "4"), {}, "4, and the model has 3 blocks"),
        (("--pipeline-stages", "2", "--num-processes", "3"), {}, "--num-processes 2"),
        (("--pipeline-stages", "2"), {"adapter": {"min_rank": 1, "dropout": 0.0}}, "a rank by noise level"),
        (("--pipeline-stages", "2"), {"memory": {"shard": True}}, "does not go together with `memory.shard`"),
    ],
)
def test_what_can_not_be_cut(
    args: tuple[str, ...], tables: dict[str, Any], told: str, tmp_path: Path, klein_folder: Path
) -> None:
    ran = train(config(tmp_path, klein_folder, **tables), *args, "--no-preflight", "--dry-run", cwd=tmp_path)
    assert ran.returncode == 2, ran.stdout
    assert told in ran.stderr


def test_sdxl_is_not_cut(tmp_path: Path, sdxl_folder: Path) -> None:
    ran = train(config(tmp_path, sdxl_folder), "--pipeline-stages", "2", "--no-preflight", "--dry-run", cwd=tmp_path)
    assert ran.returncode == 2, ran.stdout
    assert "past every cut" in ran.stderr
