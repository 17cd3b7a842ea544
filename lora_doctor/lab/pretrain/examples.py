"""What the judge learns from: scenes of its own, held-out subjects and styles among them, altered creatures too."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ..truth.labels import classes
from ..world.altered import RANGE, altered
from ..world.render import mask, render
from ..world.scene import Scene, random_scene
from ..world.vocabulary import HELD_OUT_STYLES, HELD_OUT_SUBJECTS, SUBJECTS
from .autoencoder import as_images, as_input

STYLED: Final = 0.2  # share of scenes in a held-out style
HELD_OUT: Final = 0.4  # share of scenes with a held-out subject
ALTERED: Final = 0.5  # share of creatures with other than their usual number of legs


class Example(NamedTuple):
    """A scene, and the number of legs of its creature (None: as it always has)."""

    scene: Scene
    legs: int | None = None


class Examples(NamedTuple):
    """`images` uint8 [N, 64, 64, 3], `masks` uint8 [N, 64, 64], `classes` int64 [N, 11]."""

    images: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    classes: NDArray[np.int64]


def draw(seed: int, number: int) -> list[Example]:
    """`number` examples of one seed."""
    rng = random.Random(seed)
    return [_one(rng) for _ in range(number)]


def _one(rng: random.Random) -> Example:
    scene = random_scene(rng, HELD_OUT_SUBJECTS if rng.random() < HELD_OUT else SUBJECTS)
    if rng.random() < STYLED:
        scene = scene._replace(style=rng.choice(HELD_OUT_STYLES))
    legs = RANGE.get(scene.subject)
    return Example(scene, rng.randint(*legs) if legs and rng.random() < ALTERED else None)


def picture(example: Example) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """An example's picture and mask."""
    scene, legs = example
    drawer = None if legs is None else altered(scene.subject, legs, random.Random(scene.seed))
    return render(scene, drawer=drawer), mask(scene, drawer=drawer)


def render_all(examples: Sequence[Example]) -> Examples:
    """Pictures, masks and classes of examples."""
    drawn = [picture(example) for example in examples]
    images, masks = (np.stack(part) for part in zip(*drawn, strict=True))
    return Examples(images, masks, classes([scene for scene, _ in examples]))


@torch.no_grad()
def returned(vae: Any, images: NDArray[np.uint8], seed: int, most: float = 0.35, batch: int = 100) -> NDArray[np.uint8]:
    """Pictures as they come back from the VAE, their latents disturbed by up to `most` of their deviation."""
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for start in range(0, len(images), batch):
        latents = vae.encode(as_input(images[start : start + batch], "cpu")).latent_dist.mode()
        level = most * torch.rand(len(latents), 1, 1, 1, generator=generator)
        noise = torch.randn(latents.shape, generator=generator)
        parts.append(as_images(vae.decode(latents + level * latents.std() * noise).sample))
    return np.concatenate(parts)


def prepared(path: Path, seed: int, number: int, vae: Any) -> Examples:
    """Examples on disk, made where they are not there yet: every second one has been through the VAE."""
    if not path.exists():
        examples = render_all(draw(seed, number))
        examples.images[::2] = returned(vae, examples.images[::2], seed)
        partial = path.with_suffix(".tmp")
        with partial.open("wb") as file:
            np.savez(file, **examples._asdict())
        partial.replace(path)
    with np.load(path) as saved:
        return Examples(saved["images"], saved["masks"], saved["classes"])
