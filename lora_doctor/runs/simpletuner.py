"""SimpleTuner: `checkpoint-250/pytorch_lora_weights.safetensors`, `validation_images/step_250_<prompt>_0_512x512.png`.

`<prompt>` is the prompt's key in the library. With `report_to: simpletuner` there are `training_metrics.jsonl` and
`validation_media.jsonl`. Read in bghira/SimpleTuner@bc8e6ab7 (helpers/training/validation.py, local_metrics.py).
"""

from __future__ import annotations

import re

from lora_doctor.runs.facts import Checkpoint, Files, Layout, Sample
from lora_doctor.runs.layout import IMAGE, ending, events, matching

TRAINER = "SimpleTuner"
CHECKPOINT = re.compile(r"(?:.*/)?checkpoint-(\d+)/pytorch_lora_weights\.safetensors")
FINAL = re.compile(r"pytorch_lora_weights\.safetensors")
SAMPLE = re.compile(rf"(?:.*/)?validation_images/step_(\d+)_(.+?)_(?:(\d+)_)?(\d+x\d+){IMAGE}", re.I)
OWN = re.compile(r"(?:.*/)?(training_state[^/]*\.json|training_metrics\.jsonl?|checkpoint_manifest\.json)")


def speaks(files: Files) -> int:
    """How many kinds of names only this trainer writes."""
    return 5 * sum(any(True for _ in matching(files, pattern)) for pattern in (SAMPLE, OWN))


def read(files: Files) -> Layout:
    """Everything by name."""
    found = [Checkpoint(files.path(name), step=int(match[1])) for name, match in matching(files, CHECKPOINT)]
    found += [Checkpoint(files.path(name), final=True) for name, _ in matching(files, FINAL)]
    samples = (
        Sample(files.path(name), step=int(match[1]), slot="_".join(filter(None, (match[2], match[3], match[4]))))
        for name, match in matching(files, SAMPLE)
    )
    logs = (*(name for name in files.names if name.endswith("training_metrics.jsonl")), *events(files))
    return Layout(tuple(found), tuple(samples), logs, ending(files, "config.json", ".toml", ".env"))
