"""`lora-doctor train` in its own process, on a tiny pipeline and a few images."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors import safe_open

from tests.end_to_end.process import PLAIN, command

QUIET = {**PLAIN, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def make_images(folder: Path, count: int = 4) -> Path:
    """Noise pictures of two sizes, with captions."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(count):
        blocks = random.integers(0, 255, (4, 4 if number % 3 else 6, 3), dtype=np.uint8)
        Image.fromarray(np.kron(blocks, np.ones((16, 16, 1), np.uint8))).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"a zwx ring on a table, number {number}")
    return folder


def config(folder: Path, model: Path, **tables: dict[str, Any]) -> Path:
    """A config of lora-doctor's own for a short run in fp32 on 64 px; `tables` change it."""
    from lora_doctor.train.toml import toml_value

    content: dict[str, dict[str, Any]] = {
        "model": {"path": str(model)},
        "captions": {"trigger": "zwx", "dropout": 0.2},
        "buckets": {"resolution": 64},
        "adapter": {"rank": 2, "dropout": 0.1},
        "training": {"steps": 12, "batch_size": 2, "accumulation": 2, "seed": 3},
        "optimizer": {"learning_rate": 1e-3, "ema": True},
        "schedule": {"name": "cosine", "warmup_steps": 2},
        "precision": {"compute": "fp32", "base": "fp32", "text_encoder": "fp32", "save": "fp32"},
        "memory": {"gradient_checkpointing": False},
        "validation": {"held_out": 0, "every_steps": 0, "sampler_steps": 1, "size": [32, 32], "strengths": [1.0]},
        "saving": {"every_steps": 3},
    }
    for name, changed in tables.items():
        content[name] = content.get(name, {}) | changed
    lines = ['output = "run"']
    for name, rows in content.items():
        lines += [f"[{name}]", *(f"{key} = {toml_value(value)}" for key, value in rows.items())]
    lines += ["[[data]]", 'folder = "images"']
    path = folder / "run.toml"
    path.write_text("\n".join(lines) + "\n")
    if not (folder / "images").exists():
        make_images(folder / "images")
    return path


def train(*args: str | Path, cwd: Path, **more: Any) -> subprocess.CompletedProcess[str]:
    """One call, its output as text."""
    return subprocess.run(
        command("train", *args), cwd=cwd, env=QUIET | {"COLUMNS": "200"}, capture_output=True, encoding="utf-8",
        check=False, timeout=900, **more,
    )  # fmt: skip


def start(*args: str | Path, cwd: Path) -> subprocess.Popen[bytes]:
    """One call in the background, its output in `out.txt`."""
    with open(cwd / "out.txt", "ab") as out:
        return subprocess.Popen(
            command("train", *args), cwd=cwd, env=QUIET | {"COLUMNS": "200"}, stdout=out, stderr=out,
            start_new_session=True,
        )  # fmt: skip


def weights(checkpoint: Path) -> dict[str, Any]:
    """The content of every file of a checkpoint, bit for bit; safetensors writes its text entries in any order."""
    found: dict[str, Any] = {}
    for path in sorted(checkpoint.rglob("*")):
        if path.suffix == ".safetensors":
            with safe_open(path, "np") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                found[path.name] = file.metadata(), {n: (t.shape, t.tobytes()) for n, t in tensors.items()}
        elif path.is_file():
            found[path.name] = path.read_bytes()
    return found


__all__ = ["config", "make_images", "os", "start", "train", "weights"]
