"""lora-doctor's own run folder, by the names in `lora_doctor.train.folder`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from lora_doctor.runs.facts import Checkpoint, Files, Layout, Sample
from lora_doctor.runs.layout import matching
from lora_doctor.train.folder import WEIGHTS, RunFolder, read_rows

TRAINER = "lora-doctor"
CHECKPOINT = re.compile(rf"checkpoints/step-(\d{{6,}})/({'|'.join(map(re.escape, WEIGHTS.values()))})")


def speaks(files: Files) -> int:
    """How many kinds of names only lora-doctor writes."""
    return 6 * any(True for _ in matching(files, CHECKPOINT)) + 4 * ("run.json" in files.names)


def read(files: Files) -> Layout:
    """One file for each step, the format that comes first; samples as they are listed."""
    best: dict[int, Checkpoint] = {}
    order = list(WEIGHTS.values())
    for name, match in sorted(matching(files, CHECKPOINT), key=lambda pair: order.index(pair[1][2])):
        best.setdefault(int(match[1]), Checkpoint(files.path(name), step=int(match[1])))
    folder = RunFolder(files.root)
    samples = [found for row in read_rows(folder.samples) if (found := _sample(files, row)) is not None]
    logs = tuple(path.name for path in (folder.log, folder.monitors) if path.name in files.names)
    configs = tuple(name for name in (folder.config.name,) if name in files.names)
    return Layout(tuple(best[step] for step in sorted(best)), tuple(samples), logs, configs)


def monitor_rows(root: Path) -> list[dict[str, Any]]:
    """What lora-doctor measured while it trained, a row each."""
    return read_rows(RunFolder(root).monitors)


def status(root: Path) -> str:
    """How the run stands by its own word; "" where it says nothing."""
    try:
        found = json.loads(RunFolder(root).run.read_bytes())
    except (OSError, ValueError, RecursionError):
        return ""
    return str(found.get("status") or "") if isinstance(found, dict) else ""


def record(folder: Path) -> dict[str, Any]:
    """How the run stands, as `run.json` says; empty where it says nothing."""
    try:
        found = json.loads(RunFolder(folder).run.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _sample(files: Files, row: dict[str, Any]) -> Sample | None:
    """A row of the list; one whose picture is not there is no sample."""
    name, step = row.get("file"), row.get("step")
    if not isinstance(name, str) or not isinstance(step, int) or name not in files.names:
        return None
    seed, strength = row.get("seed"), row.get("strength")
    prompt, control = str(row.get("prompt") or ""), row.get("control")
    return Sample(
        files.path(name),
        step,
        slot=str(row.get("slot") or prompt),
        prompt=prompt,
        seed=seed if isinstance(seed, int) else None,
        kind=str(row.get("kind") or ""),
        strength=float(strength) if isinstance(strength, (int, float)) else 1.0,
        control=tuple(each for each in control if each in files.names) if isinstance(control, list) else (),
    )
