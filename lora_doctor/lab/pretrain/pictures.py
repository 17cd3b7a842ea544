"""The pretraining pictures on disk, rendered once: scenes by seed, pictures as uint8 shards, subject maps per token."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ..world.render import mask, render
from ..world.scene import Scene, scenes
from ..world.vocabulary import PIXELS

SHARD: Final = 4000
TOKENS: Final = 8  # edge of the grid of tokens


class Pictures(NamedTuple):
    """`images` uint8 [N, 64, 64, 3], `maps` uint8 [N, 8, 8] (share of each token that the subject covers), `scenes`."""

    images: NDArray[np.uint8]
    maps: NDArray[np.uint8]
    scenes: list[Scene]


def _path(folder: Path, seed: int, count: int) -> Path:
    return folder / f"pictures-{seed:04}-{count}.npz"


def _shard(folder: Path, seed: int, count: int) -> None:
    goal = _path(folder, seed, count)
    if goal.exists():
        return
    cv2.setNumThreads(1)
    drawn = scenes(seed, count)
    images = np.stack([render(scene) for scene in drawn])
    maps = np.stack([cv2.resize(mask(s, PIXELS), (TOKENS, TOKENS), interpolation=cv2.INTER_AREA) for s in drawn])
    partial = goal.with_suffix(".tmp")
    with partial.open("wb") as file:
        np.savez(file, images=images, maps=maps)
    partial.replace(goal)


def pictures(folder: Path, number: int, workers: int = 2) -> Pictures:
    """The first `number` pictures of the world, rendered where they are not there yet, 4,000 to a file."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = [min(SHARD, number - start) for start in range(0, number, SHARD)]
    seeds = range(1, 1 + len(counts))
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(_shard, [folder] * len(seeds), seeds, counts))
    shards = [np.load(_path(folder, seed, count)) for seed, count in zip(seeds, counts, strict=True)]
    drawn = [scene for seed, count in zip(seeds, counts, strict=True) for scene in scenes(seed, count)]
    return Pictures(np.concatenate([s["images"] for s in shards]), np.concatenate([s["maps"] for s in shards]), drawn)
