"""What growing resolution, a LoRA beneath and a text-encoder LoRA cost and bring, on the micro models.

    python benchmarks/train_variants.py growth|beneath|encoders [--steps 120] [--model FOLDER]

Each part trains the same pictures of a subject the model has not seen, from the same seed, in one process on one core:
CPU seconds of the loop alone, and the loss on held-out pictures as a share of the base model's (mean of every image and
noise level, on fixed noise, at the last resolution). `encoders` needs an SDXL, `--model fixtures/models/micro-sdxl`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch

from lora_doctor.dialects import native
from lora_doctor.dialects.reader import Reader
from lora_doctor.lab.world.folders import Asked, write_folder
from lora_doctor.source.read import read_text
from lora_doctor.train import start
from lora_doctor.train.folder import RunFolder, read_rows
from lora_doctor.train.job import Growth, Job, Precision
from lora_doctor.train.loading import load
from lora_doctor.train.monitors import Monitors
from lora_doctor.train.resolve import resolve
from lora_doctor.train.watch import Halt, State, Watchers

SUBJECT, IMAGES, HELD = "robot", 24, 8
CONFIG = """
[captions]
trigger = "zwx"
[optimizer]
learning_rate = 6e-4
[validation]
held_out = {held}
every_steps = 0
[memory]
workers = 0
[saving]
every_steps = {steps}
[logging]
tensorboard = false
"""


class Clock:
    """CPU seconds between steps: what is measured in between does not count."""

    def __init__(self) -> None:
        self.seconds = self._since = 0.0

    def begin(self, state: State) -> None:
        self._since = time.process_time()

    def step(self, state: State) -> Halt | None:
        self.seconds += time.process_time() - self._since
        return None

    def saved(self, state: State) -> None:
        self._since = time.process_time()

    def end(self, state: State, reason: str) -> None:
        pass


class Again:
    """Starts the clock anew behind everybody else's look."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.begin = self.saved = clock.begin

    def step(self, state: State) -> Halt | None:
        self._clock.begin(state)
        return None

    def end(self, state: State, reason: str) -> None:
        pass


class Row(NamedTuple):
    """One run: CPU seconds, held-out loss as a share of the base's."""

    name: str
    seconds: float
    held_out: float


def job_of(root: Path, model: str | None, steps: int) -> Job:
    images = root / "images"
    if not images.exists():
        write_folder(images, Asked(SUBJECT, number=IMAGES, seed=1))
    text = CONFIG.format(held=HELD, steps=steps)
    (plan,) = native.read(read_text("variants.toml", text.encode()), "training", Reader())
    told = {"data": str(images), "output": str(root / "run"), "training.steps": steps, "model.path": model}
    return resolve(plan, told)


def trained(name: str, job: Job, root: Path) -> Row:
    job = job._replace(output=root / name.replace(" ", "-"))
    clock, quiet = Clock(), (lambda _: None)
    start.train(job, Watchers((clock, Monitors(quiet), Again(clock))), quiet)
    measured = [row for row in read_rows(RunFolder(job.output).monitors) if row["monitor"] == "stable_loss"]
    return Row(name, clock.seconds, measured[-1]["held_out"])


def growth(root: Path, model: str | None, steps: int) -> Iterator[Row]:
    job = job_of(root, model, steps)
    yield trained("64 px", job, root)
    yield trained("32, 48, 64 px", job._replace(growth=Growth((32, 48))), root)


def beneath(root: Path, model: str | None, steps: int) -> Iterator[Row]:
    job = job_of(root, model, steps)
    yield trained("alone", job, root)
    below = (RunFolder(root / "alone").checkpoint(steps),)
    half = job._replace(training=job.training._replace(steps=steps // 2))
    yield trained("stacked, half the steps", half._replace(adapter=job.adapter._replace(stack_on=below)), root)
    yield trained("merged, half the steps", half._replace(adapter=job.adapter._replace(merge=below)), root)
    continued = job.adapter._replace(start_from=below[0])
    yield trained("continued, half the steps", half._replace(adapter=continued), root)
    for base in ("bf16", "fp8"):
        stored = job._replace(precision=Precision("bf16", base, "bf16"), adapter=job.adapter._replace(merge=below))
        print(f"{base}: {load(stored, 'cpu')[1].notes[0].partition('; ')[2]}")


def encoders(root: Path, model: str | None, steps: int) -> Iterator[Row]:
    job = job_of(root, model, steps)
    yield trained("UNet", job, root)
    uncached = job._replace(memory=job.memory._replace(cache_text=False))
    both = uncached._replace(adapter=job.adapter._replace(text_encoder=True))
    for share in (1.0, 0.2):
        rate = job.optimizer.learning_rate * share
        yield trained(
            f"UNet and text encoders at {share:g} of its rate",
            both._replace(optimizer=job.optimizer._replace(text_encoder_learning_rate=rate)),
            root,
        )


PARTS: dict[str, Callable[[Path, str | None, int], Iterator[Row]]] = {
    "growth": growth,
    "beneath": beneath,
    "encoders": encoders,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--model")
    asked: Any = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        rows = list(PARTS[asked.part](Path(folder), asked.model, asked.steps))
    print("| run | CPU s | of the first's | held-out loss, share of the base's |\n|---|--:|--:|--:|")
    for row in rows:
        print(f"| {row.name} | {row.seconds:.1f} | {row.seconds / rows[0].seconds:.2f} | {row.held_out:.3f} |")


if __name__ == "__main__":
    main()
