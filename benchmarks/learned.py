"""Does a LoRA learn a held-out subject on every micro pipeline, as its card recommends, and what do other prompts pay?

    python benchmarks/learned.py                                  # the installed one, those in fixtures
    python benchmarks/learned.py --only micro-sdxl --what cottage

Each is trained by `lora-doctor train` from eight pictures, all of them trained on, and told by ground truth
(`lora_doctor.lab.taught`). CPU seconds are those of the whole command, its measurements included.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch
from provoked import Scenario, train

from lora_doctor.lab import micro_klein
from lora_doctor.lab.taught import Truth, look_at
from lora_doctor.lab.world.folders import Asked
from lora_doctor.lab.world.vocabulary import PIXELS
from lora_doctor.train.loading import load_folder

MODELS = Path(__file__).parents[1] / "fixtures/models"


def told(model: Path, asked: Asked, number: int, lora: Path | None) -> Truth:
    """What a model draws, with the LoRA or as it is."""
    family, models = load_folder(model)
    if lora is not None:
        models.pipeline.load_lora_weights(str(lora))
    return look_at(family, models, asked, number).truth


def main() -> None:
    """Two lines of a table for each model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="part of a model's name")
    parser.add_argument("--what", default="robot")
    parser.add_argument("--number", type=int, default=48)
    options = parser.parse_args()
    torch.set_num_threads(1)
    asked = Asked(options.what, number=8, edge=PIXELS)
    print("| model | taught | context obeyed | other prompts, before | after | copies | CPU s |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for model in [micro_klein(), *sorted(MODELS.iterdir())]:
        if options.only in str(model):
            with tempfile.TemporaryDirectory() as name:
                files = train(Scenario(model.name, asked, {"model.path": str(model)}), Path(name))
                lora, seconds = files[max(files)], float((Path(name) / "seconds.txt").read_text())
                before, after = told(model, asked, options.number, None), told(model, asked, options.number, lora)
            shares = (after.taught, after.context, before.others, after.others, after.copies)
            print(
                f"| {model.name} | " + " | ".join(f"{share:.0%}" for share in shares) + f" | {seconds:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
