"""The stage of the leg counter: creatures as they are and altered ones, in all scenes, as a VAE returns them.

`python -m lora_doctor.lab.pretrain.legs --work DIR`; seeded, resumable, about five minutes of one core.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from diffusers import AutoencoderKLFlux2
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from .. import micro_klein
from ..truth.legs import LEGS, WEIGHTS, Counter
from ..truth.weights import write_weights
from ..world.altered import RANGE
from ..world.scene import random_scene
from .autoencoder import as_input
from .examples import Example, picture, returned
from .judges import worse
from .progress import descend

SEED: Final = 12001
RATE: Final = 3e-3


def examples(seed: int, number: int) -> list[Example]:
    """Creatures, half of them with other legs than usual."""
    rng = random.Random(seed)
    found = []
    for _ in range(number):
        scene = random_scene(rng, tuple(LEGS))
        found.append(Example(scene, rng.randint(*RANGE[scene.subject]) if rng.random() < 0.6 else None))
    return found


def labels(of: list[Example]) -> NDArray[np.int64]:
    """Creature and count of legs [N, 2]."""
    names = list(LEGS)
    return np.array([[names.index(s.subject), legs or LEGS[s.subject]] for s, legs in of], np.int64)


def prepared(path: Path, number: int, vae: Any) -> NDArray[np.uint8]:
    """Pictures [N, 64, 64, 3] on disk, made where they are not there yet; three of four came back from the VAE."""
    if not path.exists():
        images = np.stack([picture(example)[0] for example in examples(SEED, number)])
        back = np.arange(number) % 4 != 0
        images[back] = returned(vae, images[back], SEED)
        partial = path.with_suffix(".tmp")
        with partial.open("wb") as file:
            np.save(file, images)
        partial.replace(path)
    images = np.load(path)
    return np.asarray(images, np.uint8)


def train_counter(
    folder: Path, vae: Any, weights: Path, number: int = 10000, steps: int = 8000, batch: int = 48
) -> None:
    """Trains, or resumes, in `folder`; leaves bf16 safetensors at `weights`."""
    images, known = prepared(folder / "legs.npy", number, vae), torch.from_numpy(labels(examples(SEED, number)))
    torch.manual_seed(SEED)
    network = Counter().to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def loss(step: int) -> Tensor:
        return _loss(network, images, known, batch, torch.Generator().manual_seed(SEED + step))

    descend(network, loss, folder / "legs.pt", (steps, batch), RATE, decay=0.02, every=250)
    write_weights(weights, network)


def _loss(network: Counter, images: NDArray[np.uint8], known: Tensor, batch: int, generator: torch.Generator) -> Tensor:
    chosen = torch.randint(0, len(images), (batch,), generator=generator)
    pixels = worse(as_input(images[chosen.numpy()], "cpu"), generator)
    with torch.autocast("cpu", torch.bfloat16):
        counted = network(pixels.contiguous(memory_format=torch.channels_last), known[chosen, 0])
    return functional.cross_entropy(counted.float(), known[chosen, 1], label_smoothing=0.02)


def main() -> None:
    """Trains the counter, or goes on with it; `lab.truth.accuracy` tells how often it is right."""
    parser = argparse.ArgumentParser(prog="python -m lora_doctor.lab.pretrain.legs", description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder of examples, state and log")
    parser.add_argument("--number", type=int, default=10000)
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--output", type=Path, default=WEIGHTS, help="where the weights go; default: into the package")
    options = parser.parse_args()
    torch.set_num_threads(1)
    vae = AutoencoderKLFlux2.from_pretrained(micro_klein() / "vae")
    options.work.mkdir(parents=True, exist_ok=True)
    train_counter(options.work, vae, options.output, options.number, options.steps)


if __name__ == "__main__":
    main()
