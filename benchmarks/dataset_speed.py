"""How fast the dataset exam is, beside cleanvision and a bare decode of the same files in the same run.

    python benchmarks/dataset_speed.py [--images 240] [--rounds 3]
    python benchmarks/dataset_speed.py --small 100000     # many small images: time, memory, Ctrl-C

1536 px JPEGs of about 0.6 MB. Each measurement is a process of its own, start-up included; the rounds alternate between
the tools and the median counts. CPU seconds are told too: on a shared machine they are the steadier figure.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
EDGE = 1536


def write_images(folder: Path, count: int) -> float:
    """Different pictures with edges, texture and grain; returns the mean size in bytes.

    Made up, since few photographs ship with packages, and crops of a few would all be copies of one another.
    """
    import dataset_pictures as pictures
    import numpy as np

    from lora_doctor.dataset.described import photo

    total = 0
    for number in range(count):
        data = pictures.jpeg(photo((EDGE, EDGE), np.random.default_rng(number)), 88)
        (folder / f"{number:05}.jpg").write_bytes(data)
        total += len(data)
    return total / count


def ours(folder: str, workers: int, cache: str) -> None:
    """One exam, as the command makes it."""
    from lora_doctor.dataset.exam import exam
    from lora_doctor.dataset.given import Given, given_plan

    exam(given_plan(Path(folder), Given(resolution=1024)), workers=workers, cache=Path(cache))


def scan_only(folder: str, workers: int, cache: str) -> None:
    """The part that looks at pixels."""
    from lora_doctor.dataset.cache import Cache
    from lora_doctor.dataset.scan import scan

    store = Cache(Path(cache))
    scan(Path(folder), sorted(os.listdir(folder)), store, workers=workers)
    store.close()


def cleanvision(folder: str, workers: int, cache: str) -> None:
    """All of cleanvision's checks."""
    from cleanvision import Imagelab

    Imagelab(data_path=folder).find_issues(n_jobs=workers)


def decode_one(path: str) -> int:
    """Read and decode one file."""
    import cv2
    import numpy as np

    with open(path, "rb") as file:
        return int(cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_COLOR).size)


def start_decoding() -> None:
    """The same preparations as a worker of ours."""
    from lora_doctor.dataset.arrays import keep_memory, single_threaded

    keep_memory()
    single_threaded()


def bare(folder: str, workers: int, cache: str) -> None:
    """Nothing but decoding, one core per process."""
    from multiprocessing import get_context

    paths = sorted(str(path) for path in Path(folder).iterdir())
    with get_context("spawn").Pool(workers, start_decoding) as pool:
        for _ in pool.imap_unordered(decode_one, paths, chunksize=8):
            pass


TASKS = {"lora-doctor": ours, "its scan": scan_only, "bare decode": bare, "cleanvision": cleanvision}


def measured(task: str, folder: str, workers: int, cache: str) -> dict[str, float]:
    """Wall and CPU seconds of a task in a process of its own, and the largest process it started (MB)."""
    command = [
        sys.executable,
        __file__,
        "--task",
        task,
        "--folder",
        folder,
        "--workers",
        str(workers),
        "--cache",
        cache,
    ]
    begun = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return {"wall": time.perf_counter() - begun, **json.loads(done.stdout.splitlines()[-1])}


def run_task(options: argparse.Namespace) -> None:
    """The child's part."""
    with open(os.devnull, "w") as null:
        kept, sys.stdout = sys.stdout, null
        TASKS[options.task](options.folder, options.workers, options.cache)
        sys.stdout = kept
    own, others = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime
    print(json.dumps({"cpu": cpu, "worker MB": others.ru_maxrss / 1024, "parent MB": own.ru_maxrss / 1024}))


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=240)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--small", type=int, metavar="N", help="scan N small images instead, once")
    parser.add_argument("--task")
    parser.add_argument("--folder")
    parser.add_argument("--cache", default="")
    options = parser.parse_args()
    if options.task:
        run_task(options)
        return
    if options.small:
        import dataset_many

        dataset_many.run(options.small, options.workers)
        return
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "images"
        folder.mkdir()
        size = write_images(folder, options.images)
        print(f"{options.images} JPEGs of {EDGE} px, {size / 1e6:.2f} MB each; {options.workers} workers")
        rounds: dict[str, list[dict[str, float]]] = {task: [] for task in (*TASKS, "lora-doctor again")}
        for number in range(options.rounds):
            for task in TASKS:
                cache = f"{home}/{task}-{number}.sqlite"
                rounds[task].append(measured(task, str(folder), options.workers, cache))
            rounds["lora-doctor again"].append(
                measured("lora-doctor", str(folder), options.workers, f"{home}/lora-doctor-{number}.sqlite")
            )
        show(rounds, options.images)


def show(rounds: dict[str, list[dict[str, float]]], count: int) -> None:
    """Medians and ratios."""
    middle = {
        task: {key: statistics.median(each[key] for each in found) for key in found[0]}
        for task, found in rounds.items()
    }
    for task, row in middle.items():
        print(
            f"{task:18} {row['wall']:7.2f} s  {count / row['wall']:7.1f} images/s"
            f"  {row['cpu'] / count * 1e3:6.1f} ms CPU each  largest worker {row['worker MB']:.0f} MB"
        )

    def ratio(one: str, other: str) -> str:
        return (
            f"{middle[one]['wall'] / middle[other]['wall']:.2f} (CPU {middle[one]['cpu'] / middle[other]['cpu']:.2f})"
        )

    print("cleanvision / lora-doctor:", ratio("cleanvision", "lora-doctor"))
    print("lora-doctor / bare decode:", ratio("lora-doctor", "bare decode"))
    print("its scan / bare decode:", ratio("its scan", "bare decode"))
    print("first run / second run, process and all:", ratio("lora-doctor", "lora-doctor again"))


if __name__ == "__main__":
    main()
