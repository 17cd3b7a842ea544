"""The judge's stage: a small CNN learns to say what a picture shows, from renders that the denoiser never sees.

Seeded and resumable; about four minutes of one core. It learns on pictures made worse (blur, noise, tint, the VAE's
blur, disturbed latents) without changing what they show, and on junk, of which nothing can be said.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

from ..micro.klein import autoencoder
from ..truth.labels import UNASKED
from ..truth.network import Network, Said
from ..truth.weights import WEIGHTS, write_weights
from .autoencoder import as_input
from .examples import Examples, prepared
from .progress import descend

SEED: Final = 9001  # the denoiser's pictures have the seeds 1, 2, 3...
CALIBRATION: Final = 2000  # pictures that no step sees, on which confidence is settled
RATE: Final = 3e-3
JUNK: Final = 4  # pictures of a batch that are made junk


def train_judge(
    folder: Path,
    vae: Any,
    weights: Path,
    number: int = 16000,
    steps: int = 1400,
    batch: int = 64,
    every: int = 250,
) -> None:
    """Trains, or resumes, in `folder` (`judge.npz`, `judge.pt`, `judge.log`); leaves bf16 safetensors at `weights`.

    `number` examples are rendered, the state is kept `every` so many steps.
    """
    examples = prepared(folder / "judge.npz", SEED, number, vae.eval())
    torch.manual_seed(SEED)
    network = Network().to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def loss(step: int) -> Tensor:
        return _step(network, examples, batch, torch.Generator().manual_seed(SEED + step))

    descend(network, loss, folder / "judge.pt", (steps, batch), RATE, decay=0.02, every=every)
    write_weights(weights, network.eval(), temperatures=_temperatures(network, examples))


def _step(network: Network, examples: Examples, batch: int, generator: torch.Generator) -> Tensor:
    chosen = torch.randint(0, len(examples.images) - CALIBRATION, (batch,), generator=generator)
    pixels = worse(as_input(examples.images[chosen.numpy()], "cpu"), generator)
    pixels[:JUNK] = junk(pixels[:JUNK], generator)
    masks = torch.from_numpy(examples.masks[chosen.numpy()]).float() / 255
    with torch.autocast("cpu", torch.bfloat16):
        said = network(pixels.contiguous(memory_format=torch.channels_last))
    return _loss(said, torch.from_numpy(examples.classes[chosen.numpy()]), masks)


def _loss(said: Said, classes: Tensor, masks: Tensor) -> Tensor:
    """Cross entropy of the heads (evenly spread for junk) and of the mask."""
    loss = 3 * functional.binary_cross_entropy_with_logits(said.mask[JUNK:].float(), masks[JUNK:])
    for column, logits in enumerate(said.logits):
        logits = logits.float()
        loss = loss - 0.05 * functional.log_softmax(logits[:JUNK], 1).mean()
        goal = classes[JUNK:, column]
        if bool((goal != UNASKED).any()):
            loss = loss + functional.cross_entropy(logits[JUNK:], goal, ignore_index=UNASKED)
    return loss


def worse(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures in [-1, 1], tinted by up to 5 %, half of them blurred (up to 0.9 px), noisy (up to 9 of 255)."""
    number = len(pixels)
    tint = 1 + 0.05 * (2 * torch.rand(number, 3, 1, 1, generator=generator) - 1)
    pixels = (pixels + 1) * tint - 1
    pixels[::2] = _blurred(pixels[::2], 0.2 + 0.7 * float(torch.rand(1, generator=generator)))
    level = 0.07 * torch.rand(number, 1, 1, 1, generator=generator)
    return (pixels + level * torch.randn(pixels.shape, generator=generator)).clamp(-1, 1)


def _blurred(pixels: Tensor, sigma: float) -> Tensor:
    taps = torch.exp(-(torch.arange(-2, 3).float() ** 2) / (2 * sigma**2))
    kernel = (taps[:, None] * taps / taps.sum() ** 2).expand(3, 1, 5, 5)
    return functional.conv2d(functional.pad(pixels, (2, 2, 2, 2), mode="replicate"), kernel, groups=3)


def junk(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Of nothing: the pictures' squares of 16 px shuffled and blended with noise by half or more."""
    squares = functional.unfold(pixels, 16, stride=16)
    order = torch.randperm(squares.shape[-1], generator=generator)
    shuffled = functional.fold(squares[..., order], pixels.shape[-2:], 16, stride=16)
    share = 0.5 * torch.rand(len(pixels), 1, 1, 1, generator=generator)
    noise = torch.rand(pixels.shape, generator=generator) * 2 - 1
    return share * shuffled + (1 - share) * noise


@torch.no_grad()
def _temperatures(network: Network, examples: Examples) -> Tensor:
    """What each head's logits must be divided by so that its confidence is its accuracy: [11] (arXiv:1706.04599)."""
    pixels = worse(as_input(examples.images[-CALIBRATION:], "cpu"), torch.Generator().manual_seed(SEED))
    parts = [network(p).logits for p in torch.split(pixels, 100)]
    goals = torch.from_numpy(examples.classes[-CALIBRATION:])
    grid = torch.logspace(-0.7, 0.7, 71)
    found = []
    for column in range(goals.shape[1]):
        logits = torch.cat([part[column] for part in parts])
        losses = [functional.cross_entropy(logits / t, goals[:, column], ignore_index=UNASKED) for t in grid]
        found.append(grid[int(torch.stack(losses).argmin())])
    return torch.stack(found)


def main() -> None:
    """`python -m lora_doctor.lab.pretrain.judges --work DIR`: trains the judge, or goes on with it."""
    parser = argparse.ArgumentParser(prog="python -m lora_doctor.lab.pretrain.judges", description=main.__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder of examples, state and log")
    parser.add_argument("--vae", type=Path, required=True, help="state of micro Klein's VAE")
    parser.add_argument("--output", type=Path, default=WEIGHTS, help="where the weights go; default: into the package")
    options = parser.parse_args()
    torch.set_num_threads(1)
    vae = autoencoder()
    vae.load_state_dict(torch.load(options.vae, weights_only=True, map_location="cpu")["model"])
    options.work.mkdir(parents=True, exist_ok=True)
    train_judge(options.work, vae, options.output)


if __name__ == "__main__":
    main()
