"""How long `lora-doctor diagnose` takes for a large run, at the first look and at the second.

    python benchmarks/diagnose_speed.py [--checkpoints 20] [--samples 400] [--folder FOLDER]

Makes a run in ai-toolkit's layout: LoRAs of rank 32 over all of Klein 9B (174 MB each), samples of 1024 pixels as PNG,
40 training images as JPEG. A run that lies in FOLDER already is taken as it is, and left there. Time is CPU time of the
command and its workers (the machine has other work); memory is that of all its processes together, looked at ten times
a second.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from lora_doctor.adapter.sample import Sample, write_sample
from lora_doctor.dataset.described import photo

EDGE, PROMPTS, IMAGES, EVERY = 1024, 20, 40, 100
PAGE = os.sysconf("SC_PAGE_SIZE")


def make(folder: Path, checkpoints: int, samples: int) -> None:
    """Write what is not there yet."""
    run = folder / "run"
    for number in range(1, checkpoints + 1):
        path = run / f"zwx_{number * EVERY:09d}.safetensors"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_sample(path, Sample("flux2-klein-9b", "comfyui", rank=32, seed=number))
    for number in range(samples):
        step, slot = divmod(number, PROMPTS)
        name = f"samples/{1_754_000_000_000 + number}__{step * EVERY:09d}_{slot}.png"
        _picture(run / name, [1, slot], [2, slot], min(0.9, step / 30))
    for number in range(IMAGES):
        _picture(folder / "images" / f"{number}.jpg", [3, number], [4, number], 0.0)


def _picture(path: Path, one: list[int], other: list[int], share: float) -> None:
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    first, second = (photo((EDGE, EDGE), np.random.default_rng(seed)).astype(np.float32) for seed in (one, other))
    path.write_bytes(cv2.imencode(path.suffix, ((1 - share) * first + share * second).astype(np.uint8))[1].tobytes())


def look(folder: Path, cache: Path) -> dict[str, float]:
    """One call: CPU and wall seconds, peak memory of all its processes in MB."""
    arguments = ["diagnose", str(folder / "run"), "--dataset", str(folder / "images")]
    command = [sys.executable, "-m", "lora_doctor", *arguments]
    before, begun, peak = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic(), 0
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        peak = max(peak, _memory(process.pid))
        time.sleep(0.1)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert process.returncode in (0, 1), process.returncode
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu_s": round(cpu, 1), "wall_s": round(time.monotonic() - begun, 1), "peak_mb": round(peak / 2**20)}


def _memory(pid: int) -> int:
    """Resident bytes of a process and all below it."""
    total, pending = 0, [pid]
    while pending:
        each = pending.pop()
        try:
            total += int(Path(f"/proc/{each}/statm").read_text().split()[1]) * PAGE
            pending += [int(child) for child in Path(f"/proc/{each}/task/{each}/children").read_text().split()]
        except OSError:  # it ended
            continue
    return total


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoints", type=int, default=20)
    parser.add_argument("--samples", type=int, default=400)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        make(folder, options.checkpoints, options.samples)
        found = {name: look(folder, Path(scratch) / "cache") for name in ("first", "second")}
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
