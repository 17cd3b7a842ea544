"""Several processes train what one process trains; when one dies, the run ends at once and can be gone on with."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from safetensors.numpy import load_file

from lora_doctor.train.folder import RunFolder, read_rows

from .process import QUIET, config, start, train

pytestmark = pytest.mark.slow
NEVER = 5000  # steps, of a run that is ended from outside


def losses(folder: Path) -> list[tuple[int, float]]:
    return [(row["step"], row["loss"]) for row in read_rows(RunFolder(folder / "run").log) if "loss" in row]


def lora(folder: Path, step: int) -> np.ndarray:
    """All numbers of a checkpoint's LoRA in a row."""
    tensors = load_file(RunFolder(folder / "run").checkpoint(step) / "pytorch_lora_weights.safetensors")
    return np.concatenate([tensors[name].ravel() for name in sorted(tensors)])


def settings(folder: Path, model: Path, accumulation: int, steps: int = 6) -> Path:
    """Four images of two sizes in batches of two, with everything that is drawn at random."""
    training = {"steps": steps, "batch_size": 2, "accumulation": accumulation}
    return config(folder, model, training=training, saving={"every_steps": 2})


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, klein_folder: Path) -> Path:
    """The folder of a run of two processes."""
    folder = tmp_path_factory.mktemp("two")
    ran = train(settings(folder, klein_folder, 1), "--num-processes", "2", "--no-preflight", cwd=folder)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.count("finished at step 6 of 6") == 1, ran.stderr
    return folder


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory, klein_folder: Path) -> Path:
    """The folder of a run of one process that takes twice the batch."""
    folder = tmp_path_factory.mktemp("one")
    ran = train(settings(folder, klein_folder, 2), "--no-preflight", cwd=folder)
    assert ran.returncode == 0, ran.stderr
    return folder


def test_two_processes_train_what_one_does_with_the_doubled_batch(two: Path, one: Path) -> None:
    assert [step for step, _ in losses(two)] == list(range(1, 7)), "one process writes, and each step once"
    assert dict(losses(two)) == pytest.approx(dict(losses(one)), abs=1e-5)
    assert np.abs(lora(one, 2)).max() > 0
    for step in (2, 4, 6):
        assert lora(two, step) == pytest.approx(lora(one, step), abs=1e-5)
    assert json.loads(RunFolder(two / "run").run.read_bytes())["processes"] == 2


def test_a_sharded_base_trains_the_same(two: Path, tmp_path: Path, klein_folder: Path) -> None:
    path = settings(tmp_path, klein_folder, 1)
    path.write_text(path.read_text().replace("[memory]", "[memory]\nshard = true"))
    ran = train(path, "--num-processes", "2", "--no-preflight", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert dict(losses(tmp_path)) == pytest.approx(dict(losses(two)), abs=1e-5)
    assert lora(tmp_path, 6) == pytest.approx(lora(two, 6), abs=1e-5)
    whole, sharded = ({row["file"]: row["flat"] for row in read_rows(each.samples)} for each in folders(two, tmp_path))
    assert whole == sharded
    of_two, of_sharded = (measured(each) for each in folders(two, tmp_path))
    assert of_sharded == pytest.approx(of_two, abs=1e-4)


def measured(run: RunFolder) -> Any:
    """Every loss on fixed noise that the monitors took."""
    return np.array([row["losses"] for row in read_rows(run.monitors) if row["monitor"] == "loss"])


def folders(*places: Path) -> list[RunFolder]:
    return [RunFolder(place / "run") for place in places]


def cut_off(whole: Path, folder: Path) -> None:
    """A copy of a run that ended after its second step."""
    shutil.copytree(whole, folder)
    for step in (4, 6):
        shutil.rmtree(RunFolder(folder / "run").checkpoint(step))


@pytest.mark.parametrize("before", ["two", "one"])
def test_a_run_goes_on_with_another_number_of_processes(
    before: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    whole, folder = request.getfixturevalue(before), tmp_path / "cut"
    cut_off(whole, folder)
    text = (folder / "run.toml").read_text().replace(str(whole), str(folder))
    (folder / "run.toml").write_text(text)
    count = "1" if before == "two" else "2"
    ran = train("run.toml", "--num-processes", count, "--resume", "--no-preflight", cwd=folder)
    assert ran.returncode == 0, ran.stderr
    told = "training.accumulation: 2 in place of 1" if before == "two" else "training.accumulation: 1 in place of 2"
    assert ran.stderr.count(told) == 1, ran.stderr
    assert dict(losses(folder)) == pytest.approx(dict(losses(whole)), abs=1e-5)
    assert lora(folder, 6) == pytest.approx(lora(whole, 6), abs=1e-5)


def ranks(launcher: subprocess.Popen[bytes]) -> dict[int, psutil.Process]:
    """The processes of a run by their number; others (multiprocessing's own) have none."""
    children = [(child.environ().get("RANK"), child) for child in psutil.Process(launcher.pid).children()]
    return {int(rank): child for rank, child in children if rank is not None}


def trains(folder: Path, process: subprocess.Popen[bytes]) -> RunFolder:
    """Waits until a run has a checkpoint."""
    run = RunFolder(folder / "run")
    while not run.steps():
        assert process.poll() is None, (folder / "out.txt").read_text()
        time.sleep(0.05)
    return run


def ends(process: subprocess.Popen[bytes], seconds: float) -> tuple[int, float]:
    begun = time.monotonic()
    return process.wait(timeout=seconds), time.monotonic() - begun


@pytest.mark.parametrize("killed", [0, 1])
def test_when_one_process_is_killed_the_run_ends_and_can_be_gone_on_with(
    killed: int, tmp_path: Path, klein_folder: Path
) -> None:
    path = settings(tmp_path, klein_folder, 1, NEVER)
    process = start(path, "--num-processes", "2", "--no-preflight", cwd=tmp_path)
    run = trains(tmp_path, process)
    members = ranks(process)
    members[killed].send_signal(signal.SIGKILL)
    code, seconds = ends(process, 60)
    text = (tmp_path / "out.txt").read_text()
    assert (code, seconds < 30) == (2, True), text
    assert f"process {killed} of 2 was killed (SIGKILL" in text
    assert "Traceback" not in text
    assert not any(each.is_running() and each.status() != "zombie" for each in members.values())
    record = json.loads(run.run.read_bytes())
    assert record["status"] == "failed"
    assert f"process {killed} of 2" in record["reason"]
    last = run.steps()[-1]
    ran = train(path, "--resume", "--num-processes", "2", "--steps", str(last + 2), "--no-preflight", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert [step for step, _ in losses(tmp_path)] == list(range(1, last + 3))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_what_ends_the_first_command_ends_all_with_a_checkpoint(
    how: signal.Signals, tmp_path: Path, klein_folder: Path
) -> None:
    process = start(settings(tmp_path, klein_folder, 1, NEVER), "--num-processes", "2", cwd=tmp_path)
    run = trains(tmp_path, process)
    members = ranks(process)
    process.send_signal(how)
    code, _ = ends(process, 120)
    assert code == (130 if how == signal.SIGINT else -9)
    psutil.wait_procs(list(members.values()), timeout=120)
    record = json.loads(run.run.read_bytes())
    assert (record["status"], record["step"]) == ("interrupted", run.steps()[-1])


def test_torchrun_starts_it_too(tmp_path: Path, klein_folder: Path, two: Path) -> None:
    path = settings(tmp_path, klein_folder, 1)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    ran = subprocess.run(
        [*launch, "-m", "lora_doctor.train", str(path), "--no-preflight"], cwd=tmp_path, env=QUIET, check=False,
        capture_output=True, encoding="utf-8", timeout=900,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert losses(tmp_path) == losses(two)
