"""A short run in this process, on a tiny pipeline: what the watchers' tests look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

from lora_doctor.train.folder import RunFolder
from lora_doctor.train.job import (
    Adapter,
    Captions,
    Data,
    Job,
    Memory,
    Model,
    Optimizer,
    Precision,
    Saving,
    Training,
    Validation,
)
from lora_doctor.train.run import End
from lora_doctor.train.start import train
from lora_doctor.train.watch import Watcher, Watchers


def make_images(folder: Path, count: int = 8) -> tuple[str, ...]:
    """Noise pictures with captions."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    for number in range(count):
        blocks = random.integers(0, 255, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(np.kron(blocks, np.ones((16, 16, 1), np.uint8))).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"a photo of zwx ring on a table, number {number}")
    return tuple(sorted(path.name for path in folder.glob("*.png")))


def small_job(folder: Path, model: Path, family: str = "flux2-klein", **changes: Any) -> Job:
    """Eight images at 64 px, two held out, four steps."""
    names = make_images(folder / "images")
    job = Job(
        folder / "run",
        Model(model, family),
        (Data(folder / "images", names, resolution=(64,)),),
        Training(4, batch_size=2, seed=3),
        adapter=Adapter(rank=2, alpha=2.0),
        captions=Captions("zwx", dropout=0.1),
        optimizer=Optimizer(learning_rate=1e-3),
        precision=Precision("fp32", "fp32", "fp32", "fp32", "fp32"),
        memory=Memory(gradient_checkpointing=False),
        validation=Validation(every_steps=2, held_out=2, sampler_steps=2, strengths=(0.5, 1.0, 2.0)),
        saving=Saving(every_steps=2),
    )
    return job._replace(**changes)


def run(job: Job, watchers: Sequence[Watcher] = (), say: Callable[[str], None] = lambda _: None) -> End:
    """Train it."""
    return train(job, Watchers(tuple(watchers)), say)


def saved(job: Job, step: int) -> dict[str, torch.Tensor]:
    """The adapter of a checkpoint."""
    path = RunFolder(job.output).checkpoint(step) / "pytorch_lora_weights.safetensors"
    tensors: dict[str, torch.Tensor] = load_file(path)
    return tensors
