"""The micro Klein that is installed: plain diffusers reads it, it draws what it is told, the same at every time."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("diffusers")

import torch
from diffusers import DiffusionPipeline

from lora_doctor.lab import micro_klein
from lora_doctor.models.identify import identify

GROUNDS = {"red": (212, 38, 40), "green": (58, 158, 70), "blue": (44, 82, 206), "white": (242, 242, 242)}


def test_it_is_identified_as_klein() -> None:
    assert identify(str(micro_klein())).family == "flux2-klein"


def test_it_is_small_enough_for_the_package() -> None:
    assert sum(path.stat().st_size for path in micro_klein().rglob("*")) < 10e6


def test_plain_diffusers_draws_what_is_asked() -> None:
    card = json.loads((micro_klein() / "lora_doctor.json").read_text(encoding="utf-8"))
    call = {name: card[name] for name in ("max_sequence_length", "text_encoder_out_layers", "guidance_scale")}
    pipe = DiffusionPipeline.from_pretrained(micro_klein())
    pipe.set_progress_bar_config(disable=True)
    prompts = [f"photo of a yellow star, {ground} background, centered, soft light" for ground in GROUNDS]

    def draw() -> np.ndarray:
        made = {"generator": torch.Generator().manual_seed(1), "num_inference_steps": 8, "output_type": "np"}
        images: np.ndarray = pipe(prompt=prompts, height=64, width=64, **made, **call).images
        return images

    first = draw()
    for image, colour in zip(first, GROUNDS.values(), strict=True):
        corners = np.concatenate([image[:6, :6], image[:6, -6:], image[-6:, :6], image[-6:, -6:]]).mean((0, 1)) * 255
        assert np.abs(corners - colour).max() < 40
    assert np.array_equal(first, draw())
