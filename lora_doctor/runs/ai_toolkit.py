"""ai-toolkit: `<name>_000000250.safetensors`, `samples/<ms>__000000250_0.jpg`, `config.yaml`, `loss_log.db`.

Read in ostris/ai-toolkit@27a03a91 (jobs/process/BaseSDTrainProcess.py, toolkit/logging_aitk.py). The number behind the
step is the prompt's place in the config's list; step 0 is before training.
"""

from __future__ import annotations

import re

from lora_doctor.runs.facts import Checkpoint, Files, Layout, Sample
from lora_doctor.runs.layout import IMAGE, ending, events, matching, one_run

TRAINER = "ai-toolkit"
SAMPLE = re.compile(rf"(?:.*/)?samples/\d{{10,}}__(\d{{9}})_(\d+){IMAGE}", re.I)
NUMBERED = re.compile(r"(?:.*/)?([^/]+?)(?:_LoRA)?_(\d{9})\.safetensors")
FINAL = re.compile(r"(?:.*/)?([^/]+?)(?:_LoRA)?\.safetensors")


def speaks(files: Files) -> int:
    """How many names only this trainer writes."""
    kinds = sum(any(True for _ in matching(files, pattern)) for pattern in (SAMPLE, NUMBERED))
    return 4 * kinds + ("loss_log.db" in files.names)


def read(files: Files) -> Layout:
    """Everything by name."""
    found = [
        Checkpoint(files.path(name), step=int(match[2]), name=match[1]) for name, match in matching(files, NUMBERED)
    ]
    names = {each.name for each in found}
    found += [
        Checkpoint(files.path(name), final=True, name=match[1])
        for name, match in matching(files, FINAL)
        if match[1] in names or not names
    ]
    samples = (Sample(files.path(name), step=int(match[1]), slot=match[2]) for name, match in matching(files, SAMPLE))
    checkpoints, others = one_run(found)
    logs = (*(name for name in files.names if name.endswith("loss_log.db")), *events(files))
    return Layout(checkpoints, tuple(samples), logs, ending(files, ".yaml", ".yml", ".json"), others)
