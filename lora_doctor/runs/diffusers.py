"""The diffusers scripts: `checkpoint-250/pytorch_lora_weights.safetensors`, `logs/<script>/events...`.

Read in huggingface/diffusers@58eb52c0 (examples/dreambooth). Validation images go into the event files only, tiled
into one picture and numbered by epoch; a model card may bring `image_0.png`.
"""

from __future__ import annotations

import re

from lora_doctor.runs.facts import Checkpoint, Files, Layout
from lora_doctor.runs.layout import ending, events, matching

TRAINER = "diffusers"
CHECKPOINT = re.compile(r"(?:.*/)?checkpoint-(\d+)/pytorch_lora_weights\.safetensors")
FINAL = re.compile(r"pytorch_lora_weights\.safetensors")


def speaks(files: Files) -> int:
    """How many kinds of names this trainer writes; SimpleTuner writes these too, and more."""
    return 3 * any(True for _ in matching(files, CHECKPOINT)) + any(True for _ in matching(files, FINAL))


def read(files: Files) -> Layout:
    """Everything by name."""
    found = [Checkpoint(files.path(name), step=int(match[1])) for name, match in matching(files, CHECKPOINT)]
    found += [Checkpoint(files.path(name), final=True) for name, _ in matching(files, FINAL)]
    return Layout(tuple(found), (), events(files), ending(files, ".sh", ".json", ".bat"))
