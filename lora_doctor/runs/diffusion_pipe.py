"""diffusion-pipe: a folder per start with `epoch10/adapter_model.safetensors`, `step500/...`, the configs, the events.

Read in tdrussell/diffusion-pipe@8f83dbf (train.py, utils/saver.py). It makes no sample images. An epoch's steps are
told by no file.
"""

from __future__ import annotations

import re

from lora_doctor.runs.facts import Checkpoint, Files, Layout
from lora_doctor.runs.layout import events, matching, one_run

TRAINER = "diffusion-pipe"
CHECKPOINT = re.compile(
    r"(?:((?:.*/)?\d{8}_\d\d-\d\d-\d\d)/)?(epoch|step)(\d+)/(?:adapter_model|lora|pytorch_lora_weights)\.safetensors"
)


def speaks(files: Files) -> int:
    """How many kinds of names only this trainer writes."""
    return 6 * any(True for _ in matching(files, CHECKPOINT))


def read(files: Files) -> Layout:
    """Everything by name; of several starts, the one with most checkpoints."""
    found = []
    for name, match in matching(files, CHECKPOINT):
        number = int(match[3])
        step, epoch = (number, None) if match[2] == "step" else (None, number)
        found.append(Checkpoint(files.path(name), step, epoch, name=match[1] or ""))
    checkpoints, others = one_run(found)
    folder = f"{checkpoints[0].name}/" if checkpoints and checkpoints[0].name else ""
    configs = [name for name in files.names if name.endswith(".toml") and name.startswith(folder)]
    return Layout(checkpoints, (), events(files, folder), tuple(sorted(configs, key=lambda n: n.count("/"))), others)
