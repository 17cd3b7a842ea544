"""A folder of LoRA files that no trainer's names are found in: the numbers at the end of the names are the steps."""

from __future__ import annotations

import math

from lora_doctor.adapter.series import step_of
from lora_doctor.runs.facts import Checkpoint, Files, Layout
from lora_doctor.runs.layout import ending, events

TRAINER = ""


def read(files: Files) -> Layout:
    """LoRA files and logs; which pictures would be samples of which step, nothing says."""
    found = []
    for name in files.names:
        if name.endswith(".safetensors") and name.count("/") <= 1:
            step, _ = step_of(name.rpartition("/")[2].removesuffix(".safetensors"))
            known = math.isfinite(step)
            found.append(Checkpoint(files.path(name), step=int(step) if known else None, final=not known))
    return Layout(tuple(found), (), events(files), ending(files, ".toml", ".yaml", ".yml", ".json", ".sh"))
