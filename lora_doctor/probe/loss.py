"""The loss of single images on fixed noise at fixed noise levels: the curve that tells learning from memorising.

A training step's loss says little: it differs tenfold between noise levels. Here image, noise and level stay the same,
so a difference between two steps is the adapter's (spacepxl/demystifying-sd-finetuning: stable loss, 1 to 2 % of it is
all that a LoRA gains on SD 1.5).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from lora_doctor.probe.predict import Asked, Image, answers
from lora_doctor.train.families import Family, Models

SIGMAS = tuple((i + 0.5) / 8 for i in range(8))  # middles of eight equal parts of the noise levels


def losses(
    family: Family, models: Models, images: Sequence[Image], sigmas: Sequence[float] = SIGMAS
) -> list[list[float]]:
    """Mean squared error of each image at each sigma: `[image][sigma]`. Always the same noise per image and sigma."""
    asked = [
        Asked(image.latents, sigma, image.prompts, image.sizes, f"{image.name} {sigma:.4f}")
        for image in images
        for sigma in sigmas
    ]
    flat = [float((each.predicted - each.target).square().mean()) for each in answers(family, models, asked)]
    return [flat[start : start + len(sigmas)] for start in range(0, len(flat), len(sigmas))]


def shifted(latents: Tensor) -> Tensor:
    """The image without a strip at its left: no copy of what was trained on, and yet the same picture.

    Where no image was held out, its loss stands in for one: of a LoRA that memorises, the loss on what it saw falls far
    below that on moved copies (augmentation gap; arXiv:2308.12143). The strip is a 16th of the width, a multiple of 4
    latents where there are enough, as UNets halve twice.
    """
    width = latents.shape[-1]
    strip = 4 * max(1, round(width / 64)) if width >= 16 else 1
    return latents[..., strip:]
