"""The autoencoder's stage: L1, edges and a whisper of KL, until pictures of 64 px come back sharp, colours right."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ..world.sheet import sheet, write
from .progress import Clock, descend

RATE: float = 2e-3


def as_input(images: NDArray[np.uint8], device: str) -> Tensor:
    """uint8 [B, 64, 64, 3] to float [B, 3, 64, 64] in [-1, 1]."""
    pixels = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
    return pixels.contiguous(memory_format=torch.channels_last)


def as_images(pixels: Tensor) -> NDArray[np.uint8]:
    """The inverse of `as_input`."""
    return np.asarray(((pixels.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy())


def _edges(a: Tensor, b: Tensor) -> Tensor:
    down = functional.l1_loss(a[..., 1:, :] - a[..., :-1, :], b[..., 1:, :] - b[..., :-1, :])
    return down + functional.l1_loss(a[..., 1:] - a[..., :-1], b[..., 1:] - b[..., :-1])


def _loss(family: Any, vae: Any, pixels: Tensor, generator: torch.Generator) -> Tensor:
    with torch.autocast(pixels.device.type, torch.bfloat16):
        back, penalty = family.reconstruct(vae, pixels, generator)
    back = back.float()
    near = functional.l1_loss(back, pixels) + functional.mse_loss(back, pixels)
    loss: Tensor = near + 0.5 * _edges(back, pixels) + penalty
    return loss


def train_autoencoder(
    family: Any, vae: Any, images: NDArray[np.uint8], folder: Path, steps: int, batch: int, device: str
) -> None:
    """Trains in place, or resumes; leaves `vae.pt`, a log and a sheet of held-out pictures beside their returns."""
    vae.to(device, memory_format=torch.channels_last)

    def loss(step: int) -> Tensor:
        generator = torch.Generator().manual_seed(step)
        chosen = torch.randint(0, len(images) - 256, (batch,), generator=generator).numpy()
        return _loss(family, vae, as_input(images[chosen], device), generator)

    def look(clock: Clock, step: int) -> None:
        quality = signal_to_noise(family, vae, images[-256:], device, folder / "vae.png")
        clock.say(f"step {step}: held-out {quality:.2f} dB")

    descend(vae, loss, folder / "vae.pt", (steps, batch), RATE, decay=1e-4, every=500, look=look)


@torch.no_grad()
def signal_to_noise(
    family: Any, vae: Any, images: NDArray[np.uint8], device: str, picture: Path | None = None
) -> float:
    """Peak signal to noise of held-out pictures in dB; writes some beside their returns."""
    with torch.autocast(device, torch.bfloat16):
        pixels = as_input(images, device)
        back = vae.decode(family.latents(vae, pixels)).sample
    if picture:
        rows = [*images[:12], *as_images(back[:12]), *images[12:24], *as_images(back[12:24])]
        write(str(picture), sheet(rows, 12))
    return 10 * math.log10(4 / functional.mse_loss(back.float().clamp(-1, 1), pixels).item())


@torch.no_grad()
def encode_all(family: Any, vae: Any, images: NDArray[np.uint8], device: str, batch: int = 250) -> Tensor:
    """Raw latents of all pictures, float16 [N, C, h, w]."""
    parts = []
    for start in range(0, len(images), batch):
        with torch.autocast(device, torch.bfloat16):
            raw = family.latents(vae, as_input(images[start : start + batch], device))
        parts.append(raw.half().contiguous().cpu())
    return torch.cat(parts)
