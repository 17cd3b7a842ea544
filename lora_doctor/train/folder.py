"""The run folder: the one truth of its names, for whoever writes it and whoever reads it. No torch.

    config.toml                     the resolved plan; `lora-doctor lint` and `lora-doctor train` read it
    run.json                        how the run stands: status, step, versions, speed
    log.jsonl                       one row per optimiser step, and events (`event`) between them
    monitors.jsonl                  what the monitors measured, one row each, `step` and `monitor` first
    samples.jsonl                   one row per sample image: `step`, `file`, `prompt`, `seed`, `strength`...
    samples/step-000250/            the sample images
    samples/control/                of an edit, the control images they were drawn with
    checkpoints/step-000250/        pytorch_lora_weights.safetensors (diffusers), comfyui.safetensors, kohya.safetensors
    checkpoints/step-000250/state/  what resuming needs: exact weights, optimiser, average, counters
    with/                           LoRAs that this one is trained on top of: they must be loaded together
    cache/                          encoded images and captions; may be deleted at any time

A checkpoint folder with its final name is whole: it is written under a name with a leading dot and renamed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lora_doctor.source.document import SourceError
from lora_doctor.write import write_beside

WEIGHTS = {
    "diffusers": "pytorch_lora_weights.safetensors",  # the name that `load_lora_weights(folder)` looks for
    "comfyui": "comfyui.safetensors",
    "kohya": "kohya.safetensors",
    "folded": "folded.safetensors",
}
STATUSES = ("running", "finished", "stopped", "interrupted", "failed")
_STEP = re.compile(r"step-(\d{6,})")


class RunFolder(NamedTuple):
    """Paths inside one run folder."""

    root: Path

    @property
    def config(self) -> Path:
        """The resolved plan as lora-doctor's own TOML."""
        return self.root / "config.toml"

    @property
    def run(self) -> Path:
        """How the run stands."""
        return self.root / "run.json"

    @property
    def log(self) -> Path:
        """One row per optimiser step."""
        return self.root / "log.jsonl"

    @property
    def monitors(self) -> Path:
        """What the monitors measured."""
        return self.root / "monitors.jsonl"

    @property
    def samples(self) -> Path:
        """The list of sample images."""
        return self.root / "samples.jsonl"

    @property
    def cache(self) -> Path:
        """Encoded images and captions."""
        return self.root / "cache"

    @property
    def beneath(self) -> Path:
        """Copies of the LoRAs that this one is trained on top of."""
        return self.root / "with"

    @property
    def lock(self) -> Path:
        """Held while a process trains here."""
        return self.root / ".lock"

    @property
    def checkpoints(self) -> Path:
        """Where the checkpoints lie."""
        return self.root / "checkpoints"

    def checkpoint(self, step: int) -> Path:
        """The checkpoint after `step` optimiser steps."""
        return self.checkpoints / step_name(step)

    def sample_folder(self, step: int) -> Path:
        """The sample images made after `step` optimiser steps."""
        return self.root / "samples" / step_name(step)

    def steps(self) -> list[int]:
        """Steps with a whole checkpoint, in order."""
        if not self.checkpoints.is_dir():
            return []
        found = (step_of(path.name) for path in self.checkpoints.iterdir() if path.is_dir())
        return sorted(step for step in found if step is not None)


def step_name(step: int) -> str:
    """`step-000250`."""
    return f"step-{step:06d}"


def step_of(name: str) -> int | None:
    """The step that a folder's name says; None for any other name, half-written checkpoints among them."""
    found = _STEP.fullmatch(name)
    return int(found[1]) if found else None


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record beside its place and rename it.

    Raises:
        SourceError: it can't be written.
    """
    write_beside(path, (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode())


def ended(root: Path) -> str | None:
    """`finished` or `stopped`, where a run folder's run came to an end by itself; else None."""
    try:
        status = json.loads(RunFolder(root).run.read_bytes())["status"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return status if status in ("finished", "stopped") else None


def note_failure(folder: RunFolder, sentence: str, *, overwrite: bool = True) -> None:
    """Note in `run.json` how a run ended, where one has begun; without `overwrite`, the first word counts."""
    try:
        record = json.loads(folder.run.read_bytes())
        if overwrite or record["status"] != "failed":
            names = [step_name(each) for each in folder.steps()]
            write_json(folder.run, record | {"status": "failed", "reason": sentence, "checkpoints": names})
    except (OSError, ValueError, KeyError, SourceError):
        return  # the disk may be full: the sentence is on the terminal


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """Add one row to a `.jsonl` file in one write: a killed run leaves at most one broken last line.

    Raises:
        OSError: it can't be written.
    """
    line = (json.dumps(row, ensure_ascii=False) + "\n").encode()
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(handle, line)
    finally:
        os.close(handle)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a `.jsonl` file; a line that is no JSON object (half of one, after a kill) is passed over."""
    if not path.exists():
        return []
    rows = []
    for line in path.read_bytes().splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            rows.append(row)
    return rows


def rewind(folder: RunFolder, step: int) -> None:
    """Forget rows of steps after `step`: a resumed run makes them again, and gets the same."""
    for path in (folder.log, folder.monitors, folder.samples):
        rows = read_rows(path)
        kept = [row for row in rows if not isinstance(row.get("step"), int) or row["step"] <= step]
        if len(kept) < len(rows) or (path.exists() and not path.read_bytes().endswith(b"\n")):
            write_beside(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept).encode())
