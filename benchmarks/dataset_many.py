"""A scan of very many small images: time, memory and Ctrl-C. `dataset_speed.py --small 100000` runs it; Linux only."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

SIDES = (96, 112, 128, 144, 160)  # pixels
A_FOLDER = 10_000  # images in one sub-folder
LOOK = 0.2  # seconds between two looks at the processes
WORDS = (
    ("red", "blue", "pale", "dark", "green", "golden", "grey", "striped"),
    ("ring", "bowl", "tower", "leaf", "boat", "lamp", "stone", "cloth"),
    ("on sand", "in window light", "at night", "from above", "in fog", "on velvet", "by the sea", "in close-up"),
)


class Watched(NamedTuple):
    """A command that ended: seconds of wall and CPU, peak memory of the main process and of each worker in MB."""

    wall: float
    cpu: float
    code: int
    parent: float
    workers: tuple[float, ...]


def write_small(folder: Path, count: int) -> int:
    """Different small JPEGs, each with a caption; returns their bytes."""
    import dataset_pictures as pictures
    import numpy as np

    from lora_doctor.dataset.described import photo

    total = 0
    for number in range(count):
        rng = np.random.default_rng(number)
        width, height = (SIDES[int(place)] for place in rng.integers(0, len(SIDES), 2))
        data = pictures.jpeg(photo((width, height), rng), int(rng.integers(70, 96)))
        path = folder / f"{number // A_FOLDER:02}" / f"{number:06}.jpg"
        if not number % A_FOLDER:
            path.parent.mkdir()
        path.write_bytes(data)
        told = " ".join(row[int(rng.integers(len(row)))] for row in WORDS)
        path.with_suffix(".txt").write_text(f"zwx {told}, number {number}")
        total += len(data)
    return total


def watched(command: list[str], home: Path, stop_after: float | None = None) -> Watched:
    """Run to the end, or send Ctrl-C after some seconds; `wall` then counts from there."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # started in the background, it was ignored, and inherited
    begun = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    child = subprocess.Popen(
        command, env=os.environ | {"XDG_CACHE_HOME": str(home)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    parent, workers, stopped = 0.0, dict[int, float](), False
    while child.poll() is None:
        parent = max(parent, _peak(child.pid))
        for pid in _children(child.pid):
            workers[pid] = max(workers.get(pid, 0.0), _peak(pid))
        if stop_after is not None and not stopped and time.perf_counter() - begun > stop_after:
            child.send_signal(signal.SIGINT)
            begun, stopped = time.perf_counter(), True
        time.sleep(0.01 if stopped else LOOK)
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    left = [pid for pid in workers if _peak(pid)]
    if left:
        raise RuntimeError(f"workers still run: {left}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Watched(wall, cpu, child.returncode, parent, tuple(sorted(workers.values())))


def _peak(pid: int) -> float:
    """Peak memory of a process that is there, MB."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def _children(pid: int) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def run(count: int, workers: int) -> None:
    """Measure and show; the pictures are gone afterwards."""
    with tempfile.TemporaryDirectory() as where:
        home, folder = Path(where), Path(where) / "images"
        folder.mkdir()
        size = write_small(folder, count)
        print(f"{count:,} JPEGs of {SIDES[0]} to {SIDES[-1]} px with captions, {size / 1e6:,.0f} MB; {workers} workers")
        command = [sys.executable, "-m", "lora_doctor", "dataset", str(folder), "--workers", str(workers), "--json"]
        interrupted = watched(command, home / "interrupted", stop_after=20.0)
        print(f"Ctrl-C after 20 s: exit code {interrupted.code} after {interrupted.wall:.2f} s, no worker left")
        for title in ("first run", "second run"):
            each = watched([*command, "--output", str(home / "report.json")], home / "cache")
            peaks = f"largest worker {max(each.workers, default=0):.0f} MB" if each.workers else "no workers"
            print(
                f"{title}: {each.wall:.0f} s ({count / each.wall:.0f} images/s, {each.cpu:.0f} s of CPU), "
                f"exit code {each.code}, main process {each.parent:.0f} MB, {peaks}"
            )
