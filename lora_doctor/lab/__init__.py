"""A real, tiny, pretrained pipeline and its procedural world: training that can be judged on any machine."""

from __future__ import annotations

from pathlib import Path


def micro_klein() -> Path:
    """The folder of the micro FLUX.2 Klein that is installed with lora-doctor, in diffusers' layout (64 px)."""
    return Path(__file__).parent / "weights" / "klein"
