"""The seed's overfitting symptoms, provoked on the micro Klein and told by ground truth: does each really appear?

    python benchmarks/provoked.py --output docs/lab            # every scenario, about 15 minutes on one core
    python benchmarks/provoked.py --only healthy,memorised --output DIR

Each scenario trains with `lora-doctor train` and is looked at with the world's own measures (`lora_doctor.lab.taught`),
which know what was asked for: nothing here is judged by the doctor that is to be tested. Runs and measures that lie in
--work are not made again.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from lora_doctor.lab import micro_klein
from lora_doctor.lab.taught import Drawn, Picture, Truth, look_at
from lora_doctor.lab.world.folders import Asked, planned, write_folder
from lora_doctor.lab.world.render import render
from lora_doctor.lab.world.sheet import sheet
from lora_doctor.lab.world.vocabulary import CREATURES, PIXELS, SUBJECTS
from lora_doctor.train.loading import load_folder
from lora_doctor.train.toml import toml_value

COLUMNS = 12
ROWS = "rows.json"


class Scenario(NamedTuple):
    """A run to provoke something: what is taught, from what, and how (keys of lora-doctor's own config).

    It is looked at after `steps` (none: the last), at each of `strengths`; other prompts ask for `others`. Without
    settings (None) nothing is trained; a key that is None is left to lora-doctor.
    """

    name: str
    asked: Asked
    settings: dict[str, Any] | None
    steps: tuple[int, ...] = ()
    strengths: tuple[float, ...] = (1.0,)
    others: tuple[str, ...] = SUBJECTS


class Shown(NamedTuple):
    """What a checkpoint draws at a strength."""

    step: int
    strength: float
    drawn: Drawn


def subject(number: int = 8, what: str = "robot", seed: int = 1, **more: Any) -> Asked:
    """A held-out subject's folder, at the micro models' own size."""
    return Asked(what, number=number, seed=seed, edge=PIXELS, **more)


STRONGER = (1.0, 1.25, 1.5, 2.0)
LONG = {"schedule.name": "constant", "optimizer.learning_rate": 6e-4}  # nothing that would end it gently
ALIKE = {"schedule.name": "constant", "adapter.rank": 64, "adapter.alpha": 64, "captions.dropout": 0.0}
SCENARIOS = (
    Scenario("without a LoRA", subject(), None),
    Scenario("healthy robot", subject(), {}, strengths=STRONGER),
    Scenario("healthy style: blueprint", subject(16, "blueprint"), {}),
    Scenario(
        "memorised: 3 pictures, 1,200 steps", subject(3, seed=0), {"training.steps": 1200, **LONG}, strengths=STRONGER
    ),
    Scenario(
        "alike captions, rank 64",
        subject(8, seed=0, alike=True),
        {"training.steps": 800, "adapter.rank": 64, "captions.dropout": 0.0, **LONG},
        steps=(100, 300, 800),
        others=tuple(CREATURES),
    ),
    Scenario(
        "one white ground, captions alike",
        subject(8, alike=True, pictures="ground"),
        {"training.steps": 120, "optimizer.learning_rate": 4e-3, "saving.every_steps": 30, **ALIKE},
        steps=(120,),
    ),
    Scenario(
        "one place, captions alike",
        subject(8, alike=True, pictures="logo"),
        {"training.steps": 60, "optimizer.learning_rate": 8e-3, "saving.every_steps": 20, **ALIKE},
        steps=(60,),
    ),
    Scenario(
        "alpha 64 of rank 8, rate x 8",
        subject(),
        {
            "training.steps": 40,
            "optimizer.learning_rate": 8e-3,
            "saving.every_steps": 20,
            "schedule.name": "constant",
            "adapter.alpha": 64,
        },
        steps=(20,),
        strengths=STRONGER,
    ),
    Scenario(
        "3 beetles, 240 steps at rate x 8",
        subject(3, "beetle", seed=0),
        {"training.steps": 240, "optimizer.learning_rate": 8e-3, "saving.every_steps": 60, **ALIKE},
        steps=(60, 180, 240),
    ),
    Scenario("rate x 20", subject(8, seed=0), {"training.steps": 300, **LONG, "optimizer.learning_rate": 2e-2}),
    Scenario(
        "4 lizards, 1,200 steps",
        subject(4, "lizard", seed=0),
        {"training.steps": 1200, **LONG},
        steps=(300, 1200),
    ),
)


def train(scenario: Scenario, folder: Path) -> dict[int, Path]:
    """The LoRA files of a scenario's run by step; trained if they are not there, and its CPU seconds noted."""
    run, data = folder / "run", folder / "data"
    if not _checkpoints(run):
        write_folder(data, scenario.asked)
        fixed = {"validation.held_out": 0, "validation.every_steps": 0, "saving.every_steps": 100}
        tables = {"output": str(run), "captions.trigger": "zwx", **fixed, **(scenario.settings or {})}
        lines = [f"{key} = {toml_value(value)}" for key, value in tables.items() if value is not None]
        lines.append(f"data = [{{folder = {toml_value(str(data))}}}]")
        (folder / "config.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
        command = [sys.executable, "-W", "ignore", "-m", "lora_doctor", "train", str(folder / "config.toml")]
        before = _seconds()
        subprocess.run([*command, "--no-preflight"], check=True, stdout=subprocess.DEVNULL)
        (folder / "seconds.txt").write_text(f"{_seconds() - before:.1f}\n")
    return _checkpoints(run)


def _seconds() -> float:
    """CPU seconds of all processes that this one waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _checkpoints(run: Path) -> dict[int, Path]:
    found = sorted(run.glob("checkpoints/step-*/pytorch_lora_weights.safetensors"))
    return {int(path.parent.name.removeprefix("step-")): path for path in found}


def looks(scenario: Scenario, files: dict[int, Path], number: int) -> list[Shown]:
    """A run looked at after each of its steps and at each of its strengths, `number` pictures of each kind.

    Drawn in bf16, as users draw, which takes half the time.
    """
    family, models = load_folder(micro_klein(), dtype="bf16")
    look = partial(look_at, family, models, scenario.asked, number, scenario.others)
    if scenario.settings is None:
        return [Shown(0, 1.0, look())]
    found = []
    for step in scenario.steps or (max(files),):
        models.pipeline.load_lora_weights(str(files[step]), adapter_name="run")
        for strength in scenario.strengths:
            models.pipeline.set_adapters(["run"], [strength])
            found.append(Shown(step, strength, look()))
        models.pipeline.delete_adapters("run")
    return found


def row(name: str, shown: Shown, seconds: str) -> str:
    """One line of the table."""
    *shares, saturation, detail = shown.drawn.truth
    cells = ["-" if share is None else f"{share:.0%}" for share in shares]
    cells = [f"{shown.step:,}", f"{shown.strength:g}", *cells, f"{saturation:.0f}", f"{detail:.1f}", seconds]
    return f"| {name} | {' | '.join(cells)} |"


def picture(scenario: Scenario, found: Sequence[Shown]) -> Picture:
    """What was trained on, then what was drawn.

    First of training captions. Then of one look a row of new contexts and one of other prompts; of several a row each,
    half of it new contexts and half other prompts.
    """
    again = [each.drawn.again for each in found if each.strength == 1][-1]
    rows = [[render(scene) for scene in planned(scenario.asked)], again]
    if len(found) == 1:
        rows += [found[0].drawn.new, found[0].drawn.other]
    else:
        rows += [[*d.new[: COLUMNS // 2], *d.other[: COLUMNS // 2]] for _, _, d in found]
    blank = np.full((PIXELS, PIXELS, 3), 255, np.uint8)
    return sheet([each for row in rows for each in [*row, *[blank] * COLUMNS][:COLUMNS]], COLUMNS, scale=1)


def write_small(path: Path, picture: Picture) -> None:
    """A PNG of 256 colours: a third of the size."""
    image = Image.fromarray(picture).quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    image.save(path, optimize=True)


def rows_of(scenario: Scenario, work: Path, output: Path, number: int) -> list[str]:
    """The scenario's lines of the table, from its folder in `work` or made now; its sheet is written with them."""
    name = scenario.name.replace(" ", "-").replace(":", "").replace(",", "")
    folder = work / name
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / ROWS).is_file():
        return [str(line) for line in json.loads((folder / ROWS).read_text(encoding="utf-8"))]
    files = train(scenario, folder) if scenario.settings is not None else {}
    noted = folder / "seconds.txt"
    seconds = noted.read_text().strip() if noted.is_file() else "-"
    found = looks(scenario, files, number)
    (output / "provoked").mkdir(parents=True, exist_ok=True)
    write_small(output / "provoked" / f"{name}.png", picture(scenario, found))
    lines = [row(scenario.name, each, seconds) for each in found]
    (folder / ROWS).write_text(json.dumps(lines), encoding="utf-8")
    return lines


def main() -> None:
    """Trains what is not there yet, prints the table and leaves it with a sheet of pictures per scenario."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("provoked"), help="Runs.")
    parser.add_argument("--output", type=Path, default=Path("provoked"), help="The table and the sheets.")
    parser.add_argument("--only", default="", help="Scenarios whose names begin so, with commas.")
    parser.add_argument("--number", type=int, default=32, help="Pictures of each kind.")
    options = parser.parse_args()
    torch.set_num_threads(1)
    columns = ["step", "strength", *(name.replace("_", " ") for name in Truth._fields), "CPU s"]
    lines = [f"| run | {' | '.join(columns)} |", "|---|" + "--:|" * len(columns)]
    for scenario in (s for s in SCENARIOS if s.name.startswith(tuple(options.only.split(",")))):
        lines += rows_of(scenario, options.work, options.output, options.number)
        print(lines[-1], flush=True)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "provoked.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
