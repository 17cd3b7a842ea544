"""A plan becomes the files of a trainer: one module per trainer, each the counterpart of the dialect that reads them.

What is written is read back through that dialect before anybody sees it; `lora_doctor.translate` compares the two plans
and tells what came out otherwise.
"""

from __future__ import annotations

import importlib
from typing import Protocol

from lora_doctor.dialects.writers.draft import Draft

# Trainer, as its dialect calls it -> the module that writes for it
WRITERS = {
    "ai-toolkit": "ai_toolkit",
    "diffusion-pipe": "diffusion_pipe",
    "SimpleTuner": "simpletuner",
    "sd-scripts": "sd_scripts",
    "musubi-tuner": "musubi",
    "OneTrainer": "onetrainer",
    "diffusers": "diffusers",
    "lora-doctor": "native",
}


class Writer(Protocol):
    """What a writer module offers."""

    FAMILIES: tuple[str, ...]  # model families this trainer trains a LoRA of

    def write(self, draft: Draft) -> None:
        """Put the plan into files; what can't be said is noted with its reason."""


def writer(trainer: str) -> Writer:
    """The writer for a trainer.

    Raises:
        KeyError: nothing is written for it (the kohya_ss GUI keeps its presets itself).
    """
    module: Writer = importlib.import_module(f"lora_doctor.dialects.writers.{WRITERS[trainer]}")
    return module
