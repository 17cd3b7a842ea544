"""OneTrainer: `save/<time>-save-<step>-<epoch>-<step of epoch>.safetensors`, `samples/<i> - <prompt>/...`.

A workspace also has `config/*.json`, `tensorboard/` and `backup/`. Read in Nerogar/OneTrainer@23df383
(modules/trainer/GenericTrainer.py, modules/util/TrainProgress.py); newer versions put the prefix of the saves before
samples too.
"""

from __future__ import annotations

import re

from lora_doctor.runs.facts import Checkpoint, Files, Layout, Sample
from lora_doctor.runs.layout import IMAGE, events, matching, one_run

TRAINER = "OneTrainer"
SAVE = re.compile(r"(?:.*/)?save/([^/]*?)\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d-save-(\d+)-(\d+)-\d+\.safetensors")
SAMPLE = re.compile(rf"(?:.*/)?samples/(\d+) - ([^/]*)/[^/]*-training-sample-(\d+)-(\d+)-\d+{IMAGE}", re.I)
CONFIG = re.compile(r"(?:.*/)?config/[^/]+\.json")
FINAL = re.compile(r"[^/]+\.safetensors")


def speaks(files: Files) -> int:
    """How many kinds of names only this trainer writes."""
    return 5 * sum(any(True for _ in matching(files, pattern)) for pattern in (SAVE, SAMPLE))


def read(files: Files) -> Layout:
    """Everything by name; the folder of a sample holds its prompt, cut and cleaned for file systems."""
    found = [
        Checkpoint(files.path(name), step=int(match[2]), epoch=int(match[3]), name=match[1])
        for name, match in matching(files, SAVE)
    ]
    checkpoints, others = one_run(found)
    final = tuple(Checkpoint(files.path(name), final=True) for name, _ in matching(files, FINAL))
    samples = tuple(
        Sample(files.path(name), step=int(match[3]), epoch=int(match[4]), slot=match[1], prompt=match[2])
        for name, match in matching(files, SAMPLE)
    )
    configs = tuple(name for name, _ in matching(files, CONFIG))
    return Layout((*checkpoints, *final), samples, events(files), tuple(reversed(configs)), others)
