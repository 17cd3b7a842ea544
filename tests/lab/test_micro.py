"""The micro pipelines: plain diffusers reads them, they draw what they are told, the same at every time."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("diffusers")

import torch
from diffusers import DiffusionPipeline

from lora_doctor.lab import micro_klein
from lora_doctor.models.identify import identify

MODELS = Path(__file__).parents[2] / "fixtures/models"
FAMILIES = {
    micro_klein(): "flux2-klein",
    MODELS / "micro-klein-4b": "flux2-klein",
    MODELS / "micro-sana": "sana",
    MODELS / "micro-sdxl": "sdxl",
}
GROUNDS = {"red": (212, 38, 40), "green": (58, 158, 70), "blue": (44, 82, 206), "white": (242, 242, 242)}

each = pytest.mark.parametrize("folder", FAMILIES, ids=lambda folder: folder.name)


@each
def test_it_is_identified(folder: Path) -> None:
    assert identify(str(folder)).family == FAMILIES[folder]


@each
def test_it_is_small(folder: Path) -> None:
    limit = 10e6 if folder == micro_klein() else 6e6  # of the package, and of the repository
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= limit


@each
def test_a_run_by_the_card_keeps_several_checkpoints_and_looks_at_some(folder: Path) -> None:
    training = json.loads((folder / "lora_doctor.json").read_text(encoding="utf-8"))["training"]
    steps, saved, seen = (training[key] for key in ("training.steps", "saving.every_steps", "validation.every_steps"))
    assert steps // saved >= 4
    assert steps % saved == seen % saved == 0, "what is seen is a checkpoint that was kept"


def as_recommended(pipe: Any, folder: Path) -> dict[str, Any]:
    """What the card says of the pipeline's own arguments."""
    card = json.loads((folder / "lora_doctor.json").read_text(encoding="utf-8"))
    taken = inspect.signature(pipe.__call__).parameters
    return {name: value for name, value in card.items() if name in taken}


@each
def test_plain_diffusers_draws_what_is_asked(folder: Path) -> None:
    pipe = DiffusionPipeline.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    prompts = [f"photo of a yellow star, {ground} background, centered, soft light" for ground in GROUNDS]
    call = {**as_recommended(pipe, folder), "num_inference_steps": 8, "height": 64, "width": 64, "output_type": "np"}
    if "use_resolution_binning" in inspect.signature(pipe.__call__).parameters:
        call["use_resolution_binning"] = False  # SANA's bins begin at 256 px

    def draw() -> np.ndarray:
        images: np.ndarray = pipe(prompt=prompts, generator=torch.Generator().manual_seed(1), **call).images
        return images

    first = draw()
    for image, colour in zip(first, GROUNDS.values(), strict=True):
        corners = np.concatenate([image[:6, :6], image[:6, -6:], image[-6:, :6], image[-6:, -6:]]).mean((0, 1)) * 255
        assert np.abs(corners - colour).max() < 40
    assert np.array_equal(first, draw())
