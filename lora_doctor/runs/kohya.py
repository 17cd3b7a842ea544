"""sd-scripts, its GUI and musubi-tuner, which name their files alike.

Checkpoints `<name>-000010.safetensors` (epoch), `<name>-step00000500.safetensors`, `<name>.safetensors`; without
`output_name` they are called `epoch-...`, `at-step...` and `last`. Samples `sample/<name>_e000010_00_<time>_<seed>.png`
(`e`: epoch), the number in the middle is the prompt's line. Read in kohya-ss/sd-scripts@48d368fa
(library/train_util.py) and kohya-ss/musubi-tuner (utils/train_utils.py, hv_train_network.py).
"""

from __future__ import annotations

import re

from lora_doctor.runs.facts import Checkpoint, Files, Layout, Sample
from lora_doctor.runs.layout import IMAGE, ending, events, matching, one_run

TRAINER = "sd-scripts"
UNNAMED = {"epoch", "at", "last"}
EPOCH = re.compile(r"(?:.*/)?([^/]+)-(\d{6})\.safetensors")
STEP = re.compile(r"(?:.*/)?([^/]+)-step(\d{8})\.safetensors")
FINAL = re.compile(r"(?:.*/)?([^/]+)\.safetensors")
SAMPLE = re.compile(rf"(?:.*/)?sample/(?:[^/]*_)?(e?)(\d{{6}})_(\d{{2,}})_\d{{14}}(?:_(\d+))?{IMAGE}", re.I)


def speaks(files: Files) -> int:
    """How many kinds of names only these trainers write."""
    return 4 * sum(any(True for _ in matching(files, pattern)) for pattern in (EPOCH, STEP, SAMPLE))


def read(files: Files) -> Layout:
    """Everything by name; optimiser states lie in folders that end in `-state`."""
    found = [
        Checkpoint(files.path(name), epoch=int(match[2]), name=_run(match[1]))
        for name, match in matching(files, EPOCH)
        if "-state/" not in name
    ]
    found += [
        Checkpoint(files.path(name), step=int(match[2]), name=_run(match[1])) for name, match in matching(files, STEP)
    ]
    known = {each.path for each in found}
    names = {each.name for each in found}
    for name, match in matching(files, FINAL):
        path = files.path(name)
        if path not in known and "-state/" not in name and (_run(match[1]) in names or not names):
            found.append(Checkpoint(path, final=True, name=_run(match[1])))
    samples = (_sample(files, name, match) for name, match in matching(files, SAMPLE))
    checkpoints, others = one_run(found)
    return Layout(checkpoints, tuple(samples), events(files), ending(files, ".toml", ".json", ".sh", ".bat"), others)


def _run(name: str) -> str:
    return "" if name in UNNAMED else name


def _sample(files: Files, name: str, match: re.Match[str]) -> Sample:
    number = int(match[2])
    # `--sample_at_first` is called epoch 0 where all else is counted in steps
    step, epoch = (None if number else 0, number) if match[1] else (number, None)
    return Sample(files.path(name), step, epoch, str(int(match[3])), seed=int(match[4]) if match[4] else None)
