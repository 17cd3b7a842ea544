"""`python -m lora_doctor.lab.pretrain MODEL --work DIR`: pretrains a micro pipeline; started again, it goes on."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..world.scene import caption, scenes
from ..world.sheet import sheet, write
from .autoencoder import as_images, encode_all, train_autoencoder
from .denoiser import Recipe, train_denoiser
from .families import FAMILIES, Micro
from .pictures import Pictures, pictures

GRID_SEED = 999  # scenes of the sample grids


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m lora_doctor.lab.pretrain", description=__doc__)
    parser.add_argument("model", choices=sorted(FAMILIES))
    parser.add_argument("--work", type=Path, required=True, help="folder of pictures, states, logs and grids")
    parser.add_argument("--pictures", type=int, default=48000, help="rendered pictures")
    parser.add_argument("--autoencoder-steps", type=int, default=5500)
    parser.add_argument(
        "--steps", type=int, default=20000, help="denoiser steps; a longer run may go on from a shorter"
    )
    parser.add_argument("--batch", type=int, default=40)
    parser.add_argument("--every", type=int, default=1000, help="steps between states, held-out losses and grids")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=1, help="one thread per run is fastest while other runs go on")
    parser.add_argument(
        "--output", type=Path, help="where the finished pipeline goes (bf16); default: in the work folder"
    )
    parser.add_argument("--plain", action="store_true", help="without torch.compile: for short runs")
    return parser.parse_args()


def main() -> None:
    """Every stage in order, each going on where it was left."""
    options = arguments()
    torch.set_num_threads(options.threads)
    micro = FAMILIES[options.model]
    data = pictures(options.work / "pictures", options.pictures)
    vae = autoencoder(micro, data, options)
    latents = packed(micro, vae, data, options)
    torch.manual_seed(1)
    pipe = micro.module.build(options.model, vae)
    pipe.to(options.device)
    pipe.set_progress_bar_config(disable=True)
    folder = options.work / options.model
    folder.mkdir(exist_ok=True)
    recipe = Recipe(options.steps, options.batch)
    look = grids(micro, pipe, folder)
    plan = (recipe, options.device, look, not options.plain, options.every)
    train_denoiser(micro.model(pipe), data, latents, folder, *plan)
    save(pipe, micro, options.output or folder / "pipeline")


def save(pipe: Any, micro: Micro, folder: Path) -> None:
    """The finished pipeline in bf16, text encoders in fp32: left to itself, transformers loads what is stored and
    diffusers fp32, and the two would not meet."""
    pipe.to(torch.bfloat16)
    for name, part in pipe.components.items():
        if name.startswith("text_encoder"):
            part.float()
    pipe.save_pretrained(folder)
    for path in folder.glob("tokenizer*/tokenizer.json"):  # half of it is indentation
        content = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    micro.module.card(folder)


def autoencoder(micro: Micro, data: Pictures, options: argparse.Namespace) -> Any:
    """The family's VAE, trained or loaded."""
    torch.manual_seed(0)
    vae = micro.module.autoencoder()
    folder = options.work / micro.autoencoder
    folder.mkdir(exist_ok=True)
    train_autoencoder(micro.module, vae, data.images, folder, options.autoencoder_steps, 16, options.device)
    return vae.eval().requires_grad_(False)


def packed(micro: Micro, vae: Any, data: Pictures, options: argparse.Namespace) -> Tensor:
    """Latents of all pictures as the denoiser sees them, float16."""
    path = options.work / micro.autoencoder / f"latents-{len(data.images)}.pt"
    if not path.exists():
        torch.save(encode_all(micro.module, vae, data.images, options.device), path)
    raw: Tensor = torch.load(path, weights_only=True)
    with torch.no_grad():
        micro.module.settle_statistics(vae, raw.float().to(options.device))
        parts = [
            micro.module.pack(vae, part.float().to(options.device)).half().cpu() for part in torch.split(raw, 2000)
        ]
    return torch.cat(parts)


def grids(micro: Micro, pipe: Any, folder: Path) -> Callable[[int], None]:
    """A look at the model: 24 held-out prompts through the pipeline itself, on one sheet."""
    prompts = [caption(scene) for scene in scenes(GRID_SEED, 24)]

    def look(step: int) -> None:
        began = time.monotonic()
        images = pipe(prompt=prompts, generator=torch.Generator().manual_seed(0), output_type="pt", **micro.module.CALL)
        write(str(folder / f"grid-{step:06}.png"), sheet(list(as_images(images.images * 2 - 1)), 12))
        print(f"grid of step {step} took {time.monotonic() - began:.0f} s", flush=True)

    return look


if __name__ == "__main__":
    main()
