"""Do LoRAs learn what the micro pipelines never saw, as their cards recommend, and what do other prompts pay?

    python benchmarks/learned.py                                      # a robot, on every pipeline
    python benchmarks/learned.py --only klein --subjects robot,rocket,mushroom,fish,cottage --seeds 3
    python benchmarks/learned.py --only weights/klein --subjects blueprint,pastel,sepia --seeds 2
    python benchmarks/learned.py --only micro-sana --with timesteps.shift=5      # another recipe than the card's

Each is trained by the plain command `lora-doctor train --model MODEL --data DIR --trigger zwx` (without preflight) from
eight pictures, a style from sixteen, and told by ground truth (`lora_doctor.lab.taught`). Where not said otherwise the
command keeps some of them back to measure on. CPU seconds are those of the whole command, its measurements included.
Runs and measures that lie in --work are not made again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from provoked import Scenario, train

from lora_doctor.lab import micro_klein
from lora_doctor.lab.labelled import SAMPLER_STEPS
from lora_doctor.lab.taught import Truth, look_at
from lora_doctor.lab.world.folders import Asked
from lora_doctor.lab.world.vocabulary import HELD_OUT_STYLES, PIXELS
from lora_doctor.train.loading import load_folder

MODELS = Path(__file__).parents[1] / "fixtures/models"
AS_USERS_DO: dict[str, Any] = {  # nothing of what `provoked` fixes
    "validation.held_out": None,
    "validation.every_steps": None,
    "saving.every_steps": None,
}


def told(model: Path, asked: Asked, number: int, lora: Path | None) -> Truth:
    """What a model draws, with the LoRA or as it is; in bf16, as users draw, which takes half the time."""
    family, models = load_folder(model, dtype="bf16")
    if lora is not None:
        models.pipeline.load_lora_weights(str(lora))
    return look_at(family, models, asked, number, steps=SAMPLER_STEPS if model == micro_klein() else None).truth


def before(model: Path, number: int, folder: Path) -> float:
    """How well a model obeys without a LoRA; from the folder where it is noted."""
    noted = folder / f"before-{number}.json"
    folder.mkdir(parents=True, exist_ok=True)
    if not noted.is_file():
        noted.write_text(json.dumps(told(model, Asked("robot", edge=PIXELS), number, None).others), encoding="utf-8")
    return float(json.loads(noted.read_text(encoding="utf-8")))


def learned(model: Path, asked: Asked, settings: dict[str, Any], number: int, folder: Path) -> tuple[Truth, float]:
    """What a run taught, and the CPU seconds it took; from its folder where they are noted."""
    noted = folder / f"truth-{number}.json"
    folder.mkdir(parents=True, exist_ok=True)
    if not noted.is_file():
        files = train(Scenario(model.name, asked, {"model.path": str(model), **AS_USERS_DO, **settings}), folder)
        noted.write_text(json.dumps(told(model, asked, number, files[max(files)])._asdict()), encoding="utf-8")
    seconds = float((folder / "seconds.txt").read_text())
    return Truth(**json.loads(noted.read_text(encoding="utf-8"))), seconds


def row(name: str, what: str, found: Sequence[tuple[Truth, float]], base: float) -> str:
    """A line of the table: means, and in brackets the least and the most of several."""
    truths = [truth for truth, _ in found]
    shares = [_span([truth.taught for truth in truths]), _span([truth.context for truth in truths]), f"{base:.0%}"]
    shares += [_span([truth.others for truth in truths]), _span([truth.copies for truth in truths])]
    cells = [name, what, f"{len(found)}", *shares, f"{mean(seconds for _, seconds in found):.0f}"]
    return f"| {' | '.join(cells)} |"


def _span(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return f"{mean(values):.0%}" + (f" ({100 * low:.0f} to {100 * high:.0f})" if high - low >= 0.01 else "")


def main() -> None:
    """A line of a table for each model and subject, and one for all subjects."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="part of a model's path")
    parser.add_argument("--subjects", default="robot", help="or styles, with commas")
    parser.add_argument("--seeds", type=int, default=1, help="how many folders of other pictures, from seed 0 on")
    parser.add_argument("--number", type=int, default=64, help="pictures of each kind")
    parser.add_argument("--with", dest="settings", action="append", default=[], help="KEY=VALUE of its config")
    parser.add_argument("--work", type=Path, default=Path("learned"), help="runs")
    options = parser.parse_args()
    torch.set_num_threads(1)
    settings = {key: json.loads(value) for key, _, value in (each.partition("=") for each in options.settings)}
    print("| model | taught | runs | recognised | context obeyed | other prompts, before | after | copies | CPU s |")
    print("|---|---|--:|--:|--:|--:|--:|--:|--:|")
    for model in [micro_klein(), *sorted(MODELS.iterdir())]:
        if options.only not in str(model):
            continue
        every, work = [], options.work / "-".join([model.name, *options.settings]).replace("/", "_")
        base = before(model, options.number, options.work / model.name)
        for what in options.subjects.split(","):
            number = 16 if what in HELD_OUT_STYLES else 8
            folders = [Asked(what, number=number, seed=seed, edge=PIXELS) for seed in range(options.seeds)]
            found = [
                learned(model, asked, settings, options.number, work / f"{what}-{asked.seed}") for asked in folders
            ]
            print(row(model.name, what, found, base), flush=True)
            every += found
        if "," in options.subjects:
            print(row(model.name, "all", every, base), flush=True)


if __name__ == "__main__":
    main()
