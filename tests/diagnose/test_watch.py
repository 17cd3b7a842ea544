"""`diagnose --watch`: real processes, one that writes a run and one that looks at it meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue

import pytest

from .folders import noisy, picture, scene, write_run

pytestmark = pytest.mark.slow
PATIENCE = 240.0  # seconds: a busy machine
PROGRAM = Path(sys.executable).with_name("lora-doctor")


class Watcher:
    """The command in a process of its own, and what it says on standard error, line by line."""

    def __init__(self, *args: str | Path, cache: Path) -> None:
        self.process = subprocess.Popen(
            [str(PROGRAM), "diagnose", "--watch", "--every", "0.3", *map(str, args)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"XDG_CACHE_HOME": str(cache)},
        )
        self.said: list[str] = []
        self.out = ""
        self._lines: Queue[str] = Queue()
        self._threads = [threading.Thread(target=self._read, args=(name,)) for name in ("stdout", "stderr")]
        for thread in self._threads:
            thread.start()

    def _read(self, name: str) -> None:
        with getattr(self.process, name) as stream:
            for line in stream:
                if name == "stdout":
                    self.out += line
                else:
                    self._lines.put(line.rstrip("\n"))

    def until(self, words: str) -> str:
        """The next line with these words in it."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                self.said.append(self._lines.get(timeout=0.5))
            except Empty:
                assert self.process.poll() is None, f"it ended ({self.process.returncode}): {self.said}"
                continue
            if words in self.said[-1]:
                return self.said[-1]
        raise AssertionError(f"it never said {words!r}: {self.said}")

    def code(self) -> int:
        """Wait for its end."""
        code = self.process.wait(PATIENCE)
        for thread in self._threads:
            thread.join(PATIENCE)
        return code

    def all(self) -> str:
        """Everything on standard error, after its end."""
        while not self._lines.empty():
            self.said.append(self._lines.get())
        return "\n".join(self.said)


@pytest.fixture
def watchers() -> Iterator[list[Watcher]]:
    """Whatever a test starts is ended with it."""
    started: list[Watcher] = []
    yield started
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
        each.code()


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for i in range(4):
        picture(tmp_path / "images" / f"{i}.png", scene(50, i))
    return tmp_path / "images"


def test_a_stop_verdict_runs_the_hook_while_the_run_goes_on(
    tmp_path: Path, images: Path, watchers: list[Watcher]
) -> None:
    run, hooked = tmp_path / "run", tmp_path / "hooked"
    writer = subprocess.Popen([sys.executable, str(Path(__file__).with_name("writer.py")), str(run), str(hooked)])
    try:
        told = "import os, json; print(json.dumps({k: v for k, v in os.environ.items() if 'LORA_DOCTOR' in k}))"
        hook = f'{sys.executable} -c "{told}" > {hooked}.part && mv {hooked}.part {hooked}'
        page = tmp_path / "page.html"
        options = ("--dataset", images, "--report", page, "--on-stop", hook)
        watcher = Watcher(run, *options, cache=tmp_path / "c")
        watchers.append(watcher)
        assert watcher.code() == 1
        assert writer.wait(PATIENCE) == 0
        reached = [int(p.stem.rpartition("_")[2]) for p in run.glob("*.safetensors")]
        assert 400 <= max(reached) < 10_000, "the writer was stopped by the hook, not by its end"
    finally:
        if writer.poll() is None:
            writer.kill()
        writer.wait()
    said = watcher.all()
    assert "error[training-images-reproduced]" in said
    assert "stop: " in said
    assert "Traceback" not in said
    assert "training-images-reproduced" in watcher.out, "at the end it says all that diagnose says"
    assert "Samples show training images again" in page.read_text(encoding="utf-8")
    environment = json.loads(hooked.read_text())
    assert environment["LORA_DOCTOR_RUN"] == str(run)
    assert "training image" in environment["LORA_DOCTOR_REASON"]
    assert int(environment["LORA_DOCTOR_STEP"]) >= 400


CONFIG = """\
job: extension
config:
  name: zwx
  process:
    - type: sd_trainer
      training_folder: out
      train: {steps: 300, lr: 0.0001, batch_size: 1}
      model: {name_or_path: black-forest-labs/FLUX.2-klein-base-4B, arch: flux2_klein_4b}
"""


def test_a_half_written_checkpoint_is_left_until_it_is_whole(tmp_path: Path, watchers: list[Watcher]) -> None:
    run = write_run(tmp_path / "run", "ai-toolkit", steps=[100, 200], samples=[0, 100, 200])
    (run / "config.yaml").write_text(CONFIG)
    other = write_run(tmp_path / "other", "ai-toolkit", steps=[300], samples=[300])
    name = "zwx_000000300.safetensors"
    whole = (other / name).read_bytes()
    (run / name).write_bytes(whole[: len(whole) // 2])
    watcher = Watcher(run, cache=tmp_path / "c")
    watchers.append(watcher)
    watcher.until(": 2 checkpoints")
    time.sleep(2)
    with (run / name).open("ab") as file:
        file.write(whole[len(whole) // 2 :])
    watcher.until("step 300: 3 checkpoints")
    assert watcher.code() == 0, "the planned steps are reached"
    assert "3 checkpoints" in watcher.out
    assert "set aside" not in watcher.out
    assert name not in watcher.all()


def test_ctrl_c_ends_it_cleanly(tmp_path: Path, watchers: list[Watcher]) -> None:
    run = write_run(tmp_path / "run", "ai-toolkit")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    watcher = Watcher(run, cache=tmp_path / "c")
    watchers.append(watcher)
    watcher.until("step 300: 3 checkpoints, 12 samples")
    watcher.process.send_signal(signal.SIGINT)
    assert watcher.code() == 130
    said = watcher.all()
    assert said.endswith("no longer watching; the run was not touched")
    assert "Traceback" not in said
    assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_it_waits_for_a_folder_and_for_a_first_checkpoint(tmp_path: Path, watchers: list[Watcher]) -> None:
    run = tmp_path / "run"
    watcher = Watcher(run, "--idle", "0.1", cache=tmp_path / "c")
    watchers.append(watcher)
    watcher.until(f"waiting for {run}")
    write_run(run, "ai-toolkit", paint=noisy)
    watcher.until("step 300: 3 checkpoints")
    watcher.until("the trainer has ended, or hangs")
    assert watcher.code() == 0


def test_a_hook_that_fails_is_told(tmp_path: Path, images: Path, watchers: list[Watcher]) -> None:
    run = write_run(
        tmp_path / "run", "ai-toolkit", paint=lambda step, slot: scene(50, slot) if step else noisy(0, slot)
    )
    watcher = Watcher(run, "--dataset", images, "--on-stop", "exit 3", cache=tmp_path / "c")
    watchers.append(watcher)
    assert watcher.code() == 2
    assert "the command of --on-stop failed (exit code 3)" in watcher.all()


def test_what_goes_with_a_watch_only_is_refused_without_one(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", "ai-toolkit")
    for option in (("--on-stop", "true"), ("--idle", "1")):
        ran = subprocess.run([str(PROGRAM), "diagnose", str(run), *option], capture_output=True, text=True, check=False)
        assert ran.returncode == 2
        assert "--on-stop and --idle go with --watch" in ran.stderr
