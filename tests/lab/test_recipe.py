"""A LoRA of the micro Klein, trained by the plain command, has learned its subject and left the rest alone.

Measured on one machine: `docs/lab.md`. Other machines round otherwise and end elsewhere: the limits leave room for it.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

pytest.importorskip("diffusers")
pytest.importorskip("peft")

from lora_doctor.lab import micro_klein
from lora_doctor.lab.taught import look_at
from lora_doctor.lab.world.folders import Asked, write_folder
from lora_doctor.lab.world.vocabulary import PIXELS
from lora_doctor.train.loading import load_folder
from tests.end_to_end.process import PLAIN, command

PICTURES = 32  # of each kind


@pytest.mark.slow
def test_eight_pictures_teach_a_subject_and_cost_little(tmp_path: Path) -> None:
    asked = Asked("robot", seed=1, edge=PIXELS)
    write_folder(tmp_path / "data", asked)
    line = command("train", "--data", "data", "--trigger", asked.trigger, "--output", "run", "--no-preflight")
    done = subprocess.run(line, cwd=tmp_path, env=PLAIN, capture_output=True, encoding="utf-8", timeout=1200)
    assert done.returncode == 0, done.stderr
    family, models = load_folder(micro_klein(), dtype="bf16")
    before = look_at(family, models, asked, PICTURES).truth
    kept = sorted((tmp_path / "run/checkpoints").glob("step-*/pytorch_lora_weights.safetensors"))
    assert len(kept) >= 4, "there is something to go back to"
    models.pipeline.load_lora_weights(kept[-1])
    after = look_at(family, models, asked, PICTURES).truth
    assert before.taught == 0
    assert after.taught >= 0.75
    assert after.context >= 0.95
    assert after.others >= before.others - 0.06
    assert after.copies <= 0.25
