"""`python -m lora_doctor.lab.exam FOLDER`: how well a micro pipeline obeys prompts that it never saw, by ground truth.

Every picture is drawn by the pipeline itself with the guidance and steps that its card recommends.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lora_doctor.train.families import Family, Models
from lora_doctor.train.loading import load_folder

from .truth.obedience import Score, table
from .world.scene import Scene, caption, scenes
from .world.sheet import sheet, write

HELD_OUT = 77  # seed of the prompts; pretraining draws from seeds 1 to 999
BATCH = 32
EXAMPLES = 48


def drawn(
    family: Family, models: Models, prompts: Sequence[str], seed: int = 0, steps: int | None = None
) -> list[NDArray[np.uint8]]:
    """One picture [64, 64, 3] per prompt, with seeds `seed`, `seed` + 1...; steps of the sampler, None: the card's."""
    pictures: list[NDArray[np.uint8]] = []
    for start in range(0, len(prompts), BATCH):
        some = list(prompts[start : start + BATCH])
        seeds = [seed + start + number for number in range(len(some))]
        images = family.sample(models, some, seeds, steps=steps)
        pictures += [np.asarray(image.convert("RGB")) for image in images]
    return pictures


def as_table(scores: dict[str, Score]) -> str:
    """Scores as a Markdown table."""
    rows = ["| asked | pictures | obeyed | unsure |", "|---|--:|--:|--:|"]
    rows += [f"| {name} | {s.asked} | {s.rate:.1%} | {s.unsure} |" for name, s in scores.items()]
    return "\n".join(rows)


def examine(folder: Path, number: int, lora: Path | None = None) -> tuple[list[Scene], list[NDArray[np.uint8]]]:
    """Held-out scenes and what the pipeline draws from their captions."""
    family, models = load_folder(folder)
    if lora:
        models.pipeline.load_lora_weights(str(lora))
    asked = scenes(HELD_OUT, number)
    return asked, drawn(family, models, [caption(scene) for scene in asked])


def main() -> None:
    """Prints the table; leaves it and a sheet of pictures in the output folder."""
    parser = argparse.ArgumentParser(prog="python -m lora_doctor.lab.exam", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--prompts", type=int, default=512)
    parser.add_argument("--lora", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    asked, pictures = examine(options.folder, options.prompts, options.lora)
    text = as_table(table(list(zip(asked, pictures, strict=True))))
    print(text)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / f"{options.folder.name}.md").write_text(text + "\n", encoding="utf-8")
    write(str(options.output / f"{options.folder.name}.png"), sheet(pictures[:EXAMPLES], 12))


if __name__ == "__main__":
    main()
