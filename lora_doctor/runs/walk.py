"""The names below a run folder; nothing is opened, and what trainers cache is passed over."""

from __future__ import annotations

import os
from pathlib import Path

from lora_doctor.runs.facts import Files
from lora_doctor.source.document import SourceError

MOST = 200_000  # files; a folder with more is no run
DEPTH = 6
# Caches and optimiser states: thousands of files that say nothing about the LoRA.
PASSED = frozenset({"_latent_cache", "_t_e_cache", "_controls", "cache", "node_modules", "__pycache__", "wandb"})


def list_files(folder: Path) -> Files:
    """Every file's name.

    Raises:
        SourceError: it is no folder, or has more files than a run can have.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder} is no folder: give the one that holds the run's checkpoints and samples")
    names: list[str] = []
    for root, folders, files in os.walk(folder):
        inside = os.path.relpath(root, folder).replace(os.sep, "/")
        folders[:] = sorted(f for f in folders if f not in PASSED and not f.startswith(".")) if _near(inside) else []
        names += [name if inside == "." else f"{inside}/{name}" for name in files if not name.startswith(".")]
        if len(names) > MOST:
            raise SourceError(f"{folder} holds more than {MOST:,} files: give the folder of one run")
    return Files(folder, tuple(sorted(names)))


def _near(inside: str) -> bool:
    return inside.count("/") < DEPTH
