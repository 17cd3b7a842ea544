"""`train CONFIG --stage NAME`: a domain's LoRA, and a task's on top of it."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

from lora_doctor.source.document import SourceError
from lora_doctor.train.folder import WEIGHTS, RunFolder, append_row
from lora_doctor.train.resolve import resolve
from tests.cli.conftest import Call
from tests.dialects.test_native_stages import plans

from .process import config, weights

TEXT = """
[stage.domain]
[stage.task]
build = "{build}"
[stage.task.adapter]
rank = {rank}
[stage.task.training]
steps = 6
"""


def staged(folder: Path, model: Path, build: str, rank: int = 2, **tables: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    path = config(folder, model, **tables)
    path.write_text(path.read_text() + TEXT.format(build=build, rank=rank))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("build", ["continue", "stack", "merge"])
def test_stages_are_trained_one_by_one(tmp_path: Path, klein_folder: Path, build: str, call: Call) -> None:
    path = staged(tmp_path, klein_folder, build, 2 if build == "continue" else 3)
    neither = call("train", path, "--no-preflight")
    assert (
        neither.code,
        "has the stages domain, task: --stage domain trains the first, --all-stages all" in neither.err,
    ) == (2, True)
    early = call("train", path, "--stage", "task", "--no-preflight")
    assert "stage task builds on domain, which has no checkpoint in" in early.err
    assert call("train", path, "--stage", "domain", "--no-preflight").code == 0
    ran = call("train", path, "--stage", "task", "--no-preflight")
    assert ran.code == 0, ran.err
    domain, task = RunFolder(tmp_path / "run" / "domain"), RunFolder(tmp_path / "run" / "task")
    assert (domain.steps()[-1], task.steps()) == (12, [3, 6])
    resolved = tomllib.loads(task.config.read_text())
    below = str(domain.checkpoint(12))
    key = {"continue": "start_from", "stack": "stack_on", "merge": "merge"}[build]
    assert resolved["adapter"][key] == (below if build == "continue" else [below])
    assert ("load them together" in ran.err) == (build != "continue")
    # half of it, gone on with, is the whole
    again = call("train", path, "--stage", "task", "--no-preflight", "--output", "other")
    assert "builds on domain, which has no checkpoint in" in again.err
    more = call("train", path, "--stage", "task", "--no-preflight", "--resume", "--steps", "8")
    assert more.code == 0, more.err
    assert task.steps() == [3, 6, 8]


@pytest.mark.slow
def test_all_stages_are_trained_in_their_order(tmp_path: Path, klein_folder: Path, call: Call) -> None:
    path = staged(tmp_path, klein_folder, "continue")
    ran = call("train", path, "--all-stages", "--no-preflight")
    assert ran.code == 0, ran.err
    domain, task = RunFolder(tmp_path / "run" / "domain"), RunFolder(tmp_path / "run" / "task")
    assert (domain.steps()[-1], task.steps()[-1]) == (12, 6)
    assert ran.err.index("stage domain") < ran.err.index("stage task")
    shutil.rmtree(task.checkpoint(6))
    task.run.write_text("{}")  # as if it had been killed
    again = call("train", path, "--all-stages", "--no-preflight", "--resume")
    assert again.code == 0, again.err
    assert "stage domain has finished before" in again.err
    assert task.steps()[-1] == 6


def test_all_stages_of_a_config_without_any(tmp_path: Path, klein_folder: Path, call: Call) -> None:
    plain, staging = config(tmp_path, klein_folder), staged(tmp_path / "2", klein_folder, "continue")
    assert "has no stages" in call("train", plain, "--all-stages").err
    both = call("train", staging, "--all-stages", "--stage", "task")
    assert (both.code, "--all-stages trains every stage" in both.err) == (2, True)


@pytest.mark.slow
def test_a_stage_resumes_to_the_same_weights(tmp_path: Path, klein_folder: Path, call: Call) -> None:
    path = staged(tmp_path, klein_folder, "stack", 3, schedule={"name": "constant"})
    assert call("train", path, "--stage", "domain", "--no-preflight").code == 0
    assert call("train", path, "--stage", "task", "--no-preflight").code == 0
    folder = RunFolder(tmp_path / "run" / "task")
    whole = weights(folder.checkpoint(6))
    (tmp_path / "run" / "task").rename(tmp_path / "run" / "whole")
    assert call("train", path, "--stage", "task", "--no-preflight", "--steps", "3").code == 0
    assert call("train", path, "--stage", "task", "--no-preflight", "--resume").code == 0
    assert weights(folder.checkpoint(6)) == whole


def test_the_best_checkpoint_is_built_on(tmp_path: Path, klein_folder: Path) -> None:
    staged(tmp_path, klein_folder, "merge")
    text = (tmp_path / "run.toml").read_text().replace('"run"', f'"{tmp_path}/run"')
    _, task = plans(text.replace('"images"', f'"{tmp_path}/images"'))
    folder = RunFolder(tmp_path / "run" / "domain")
    with pytest.raises(SourceError, match="--stage domain trains it"):
        resolve(task, {})
    for step in (3, 6):
        folder.checkpoint(step).mkdir(parents=True)
        (folder.checkpoint(step) / WEIGHTS["diffusers"]).write_bytes(b"")
    job = resolve(task, {})
    assert job.adapter.merge == (folder.checkpoint(6),)
    assert job.reasons["adapter.merge"] == "stage domain, step-000006, the newest"
    append_row(folder.monitors, {"step": 6, "monitor": "window", "verdict": "found", "pick": 3})
    job = resolve(task, {})
    assert job.adapter.merge == (folder.checkpoint(3),)
    assert job.reasons["adapter.merge"] == "stage domain, step-000003, which that run found best"
    assert job.output == tmp_path / "run" / "task"


@pytest.mark.slow
def test_a_third_stage_lies_on_both(tmp_path: Path, klein_folder: Path, call: Call) -> None:
    path = staged(tmp_path, klein_folder, "stack")
    path.write_text(path.read_text() + '[stage.third]\nbuild = "merge"\ntraining = {steps = 2}\n')
    for name in ("domain", "task", "third"):
        ran = call("train", path, "--stage", name, "--no-preflight")
        assert ran.code == 0, ran.err
    third = RunFolder(tmp_path / "run" / "third")
    merged = tomllib.loads(third.config.read_text())["adapter"]["merge"]
    assert [Path(each).name for each in merged] == ["domain-step-000012.safetensors", "step-000006"]
    assert len(list(third.beneath.iterdir())) == 2
