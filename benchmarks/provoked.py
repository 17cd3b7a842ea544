"""The seed's overfitting symptoms, provoked on the micro Klein and told by ground truth: does each really appear?

    python benchmarks/provoked.py --output docs/lab            # every scenario, about 15 minutes on two cores
    python benchmarks/provoked.py --only healthy,memorised --output DIR

Each scenario trains with `lora-doctor train` and is looked at with the world's own measures (`lora_doctor.lab.truth`),
which know what was asked for: nothing here is judged by the doctor that is to be tested. Runs that lie in --work are
not trained again.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from lora_doctor.lab import micro_klein
from lora_doctor.lab.exam import drawn
from lora_doctor.lab.truth.copies import nearest
from lora_doctor.lab.truth.look import LEGS, look
from lora_doctor.lab.truth.obedience import is_style, is_subject, obedience
from lora_doctor.lab.world.folders import Asked, captioned, planned, write_folder
from lora_doctor.lab.world.render import render
from lora_doctor.lab.world.scene import Scene, caption, random_scene, scenes
from lora_doctor.lab.world.sheet import sheet
from lora_doctor.lab.world.vocabulary import HELD_OUT_STYLES, PIXELS
from lora_doctor.train.families import Family, Models
from lora_doctor.train.loading import load_folder
from lora_doctor.train.resolve import toml_value

NEW, OTHER = 500, 600  # seeds of contexts and of other prompts that no training saw
TOLD = ("subject", "colour", "ground", "position")  # attributes that count as obeyed
COLUMNS = 12
Picture = NDArray[np.uint8]


class Scenario(NamedTuple):
    """A run to provoke something: what is taught, from what, and how (keys of lora-doctor's own config).

    It is looked at after `steps` (none: the last), at each of `strengths`.
    """

    name: str
    asked: Asked
    settings: dict[str, Any]
    steps: tuple[int, ...] = ()
    strengths: tuple[float, ...] = (1.0,)


def subject(number: int = 8, what: str = "robot", **more: Any) -> Asked:
    """A held-out subject's folder, at the micro models' own size."""
    return Asked(what, number=number, edge=PIXELS, **more)


STRONGER = (1.0, 1.25, 1.5, 2.0)
LONG = {"schedule.name": "constant", "optimizer.learning_rate": 6e-4}  # nothing that would end it gently
SCENARIOS = (
    Scenario("healthy subject", subject(), {}, strengths=STRONGER),
    Scenario("healthy style", subject(16, "sepia"), {}),
    Scenario("healthy creature", subject(8, "lizard"), {}),
    Scenario("memorised: 3 pictures, 1,200 steps", subject(3), {"training.steps": 1200, **LONG}, strengths=STRONGER),
    Scenario(
        "alike captions, rank 64",
        subject(8, alike=True),
        {"training.steps": 800, "adapter.rank": 64, "captions.dropout": 0.0, **LONG},
    ),
    Scenario("rate x 30", subject(), {"training.steps": 300, **LONG, "optimizer.learning_rate": 2e-2}),
    Scenario(
        "creature past the optimum",
        subject(4, "lizard"),
        {"training.steps": 1200, **LONG},
        steps=(100, 300, 600, 1200),
    ),
)


class Truth(NamedTuple):
    """Shares from 0 to 1, None where not asked.

    `taught`: the subject or style is recognised in new contexts; `context`: colour of the ground and place obeyed
    there; `others`: attributes of prompts without the trigger obeyed; `legs_right`, `legs_wrong`: creatures with the
    right and with another number of legs, of the taught one where it is a creature, else of other prompts (the rest
    can't be counted for sure); `copies`: training captions that come back as their training picture; `saturation`,
    `detail`: mean saturation and mean absolute Laplacian of other prompts, in levels of 255.
    """

    taught: float
    context: float
    others: float
    legs_right: float | None
    legs_wrong: float | None
    copies: float
    saturation: float
    detail: float


class Shown(NamedTuple):
    """What a checkpoint draws: measured, and the pictures of new contexts, other prompts and training captions."""

    step: int
    strength: float
    truth: Truth
    new: list[Picture]
    other: list[Picture]
    again: list[Picture]


def train(scenario: Scenario, folder: Path) -> dict[int, Path]:
    """The LoRA files of a scenario's run by step; trained if they are not there."""
    run, data = folder / "run", folder / "data"
    if not _checkpoints(run):
        write_folder(data, scenario.asked)
        fixed = {"validation.held_out": 0, "validation.every_steps": 0, "saving.every_steps": 100}
        tables = {"model.path": str(micro_klein()), "output": str(run), "captions.trigger": "zwx", **fixed}
        lines = [f"{key} = {toml_value(value)}" for key, value in {**tables, **scenario.settings}.items()]
        lines.append(f"data = [{{folder = {toml_value(str(data))}}}]")
        (folder / "config.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
        command = [sys.executable, "-m", "lora_doctor", "train", str(folder / "config.toml"), "--no-preflight"]
        subprocess.run(command, check=True)
    return _checkpoints(run)


def _checkpoints(run: Path) -> dict[int, Path]:
    found = sorted(run.glob("checkpoints/step-*/pytorch_lora_weights.safetensors"))
    return {int(path.parent.name.removeprefix("step-")): path for path in found}


def looks(scenario: Scenario, files: dict[int, Path], number: int) -> list[Shown]:
    """A run looked at after each of its steps and at each of its strengths, `number` pictures of each kind."""
    family, models = load_folder(micro_klein())
    found = []
    for step in scenario.steps or (max(files),):
        models.pipeline.load_lora_weights(str(files[step]), adapter_name="run")
        for strength in scenario.strengths:
            models.pipeline.set_adapters(["run"], [strength])
            found.append(look_at(family, models, scenario.asked, number)._replace(step=step, strength=strength))
        models.pipeline.delete_adapters("run")
    return found


def contexts(asked: Asked, number: int) -> list[Scene]:
    """New contexts for what was taught."""
    rng = random.Random(NEW)
    if asked.what in HELD_OUT_STYLES:
        return [random_scene(rng)._replace(style=asked.what) for _ in range(number)]
    return [random_scene(rng, (asked.what,)) for _ in range(number)]


def look_at(family: Family, models: Models, asked: Asked, number: int) -> Shown:
    """What the model draws as it is, measured."""
    new, other, training = contexts(asked, number), scenes(OTHER, number), planned(asked)
    whole = asked._replace(alike=False)
    of_new = drawn(family, models, [captioned(scene, whole) for scene in new])
    of_other = drawn(family, models, [caption(scene) for scene in other], seed=1000)
    again = [scene for scene in training for _ in range(max(1, number // 2 // len(training)))]
    of_training = drawn(family, models, [captioned(scene, asked) for scene in again], seed=2000)
    truth = measured(asked, list(zip(new, of_new, strict=True)), list(zip(other, of_other, strict=True)))
    copies = _mean(nearest(picture, training).copy for picture in of_training)
    return Shown(0, 1.0, truth._replace(copies=copies), of_new, of_other, of_training)


def measured(asked: Asked, new: Sequence[tuple[Scene, Picture]], other: Sequence[tuple[Scene, Picture]]) -> Truth:
    """Ground truth of pictures of new contexts and of other prompts."""
    seen = look([picture for _, picture in new])
    is_style_run = asked.what in HELD_OUT_STYLES
    share = is_style if is_style_run else is_subject
    kept = ("position",) if is_style_run else ("ground", "position")
    hits = [obedience(each, scene) for each, (scene, _) in zip(seen, new, strict=True)]
    rest = [obedience(picture, scene) for scene, picture in other]
    legs = [hit["legs"] for hit in (hits if asked.what in LEGS else rest) if "legs" in hit]
    grey = [picture.astype(np.float32).mean(2) for _, picture in other]
    return Truth(
        taught=_mean(share(each, asked.what) > 0.5 for each in seen),
        context=_mean(hit[name] is True for hit in hits for name in kept if name in hit),
        others=_mean(hit[name] is True for hit in rest for name in TOLD if name in hit),
        legs_right=_mean(hit is True for hit in legs) if legs else None,
        legs_wrong=_mean(hit is False for hit in legs) if legs else None,
        copies=0.0,
        saturation=_mean(float(np.ptp(p.astype(np.float32), 2).mean()) for _, p in other),
        detail=_mean(
            float(np.abs(4 * g[1:-1, 1:-1] - g[:-2, 1:-1] - g[2:, 1:-1] - g[1:-1, :-2] - g[1:-1, 2:]).mean())
            for g in grey
        ),
    )


def _mean(values: Iterable[float | bool]) -> float:
    return float(np.mean([float(value) for value in values]))


def row(name: str, shown: Shown) -> str:
    """One line of the table."""
    truth = shown.truth
    shares = [truth.taught, truth.context, truth.others, truth.legs_right, truth.legs_wrong, truth.copies]
    cells = ["-" if share is None else f"{share:.0%}" for share in shares]
    cells = [f"{shown.step:,}", f"{shown.strength:g}", *cells, f"{truth.saturation:.0f}", f"{truth.detail:.1f}"]
    return f"| {name} | {' | '.join(cells)} |"


def picture(scenario: Scenario, found: Sequence[Shown]) -> Picture:
    """What was trained on, then what was drawn.

    Of one look, a row each of training captions, new contexts and other prompts; of several, a row each, half of it new
    contexts and half other prompts.
    """
    rows = [[render(scene) for scene in planned(scenario.asked)]]
    if len(found) == 1:
        rows += [found[0].again, found[0].new, found[0].other]
    else:
        rows += [[*each.new[: COLUMNS // 2], *each.other[: COLUMNS // 2]] for each in found]
    blank = np.full((PIXELS, PIXELS, 3), 255, np.uint8)
    return sheet([each for row in rows for each in [*row, *[blank] * COLUMNS][:COLUMNS]], COLUMNS, scale=1)


def write_small(path: Path, picture: Picture) -> None:
    """A PNG of 256 colours: a third of the size, and no difference to the eye."""
    image = Image.fromarray(picture).quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    image.save(path, optimize=True)


def main() -> None:
    """Trains what is not there yet, prints the table and leaves it with a sheet of pictures per scenario."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("provoked"), help="Runs.")
    parser.add_argument("--output", type=Path, default=Path("provoked"), help="The table and the sheets.")
    parser.add_argument("--only", default="", help="Scenarios whose names begin so, with commas.")
    parser.add_argument("--number", type=int, default=48, help="Pictures of each kind.")
    options = parser.parse_args()
    torch.set_num_threads(1)
    (options.output / "provoked").mkdir(parents=True, exist_ok=True)
    columns = ["step", "strength", *(name.replace("_", " ") for name in Truth._fields)]
    lines = [f"| run | {' | '.join(columns)} |", "|---|" + "--:|" * len(columns)]
    for scenario in (s for s in SCENARIOS if s.name.startswith(tuple(options.only.split(",")))):
        name = scenario.name.replace(" ", "-").replace(":", "").replace(",", "")
        (options.work / name).mkdir(parents=True, exist_ok=True)
        found = looks(scenario, train(scenario, options.work / name), options.number)
        for shown in found:
            lines.append(row(scenario.name, shown))
            print(lines[-1], flush=True)
        write_small(options.output / "provoked" / f"{name}.png", picture(scenario, found))
        (options.output / "provoked.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
