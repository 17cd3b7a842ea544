"""The seed's overfitting symptoms, provoked on the micro Klein and told by ground truth: does each really appear?

    python benchmarks/provoked.py --output docs/lab            # every scenario, about 10 minutes on two cores
    python benchmarks/provoked.py --only healthy,memorised

Each scenario trains with `lora-doctor train` and is looked at with the world's own measures (`lora_doctor.lab.truth`),
which know what was asked for: nothing here is judged by the doctor that is to be tested.
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

from lora_doctor.lab import micro_klein
from lora_doctor.lab.exam import drawn
from lora_doctor.lab.truth.copies import nearest
from lora_doctor.lab.truth.look import look
from lora_doctor.lab.truth.obedience import is_style, is_subject, obedience
from lora_doctor.lab.world.folders import Asked, captioned, planned, write_folder
from lora_doctor.lab.world.render import render
from lora_doctor.lab.world.scene import Scene, caption, random_scene, scenes
from lora_doctor.lab.world.sheet import sheet, write
from lora_doctor.lab.world.vocabulary import HELD_OUT_STYLES, PIXELS
from lora_doctor.train.loading import load_folder

NEW, OTHER = 500, 600  # seeds of contexts and of other prompts that no training saw
TOLD = ("subject", "colour", "ground", "position")  # attributes that count as obeyed
Picture = NDArray[np.uint8]


class Scenario(NamedTuple):
    """A run to provoke something: what is taught, from what, and how (keys of lora-doctor's own config)."""

    name: str
    asked: Asked
    settings: dict[str, Any]
    strength: float = 1.0


def subject(number: int = 8, what: str = "robot", **more: Any) -> Asked:
    """A held-out subject's folder, at the micro models' own size."""
    return Asked(what, number=number, edge=PIXELS, **more)


SCENARIOS = (
    Scenario("healthy subject", subject(), {"training.steps": 300}),
    Scenario("healthy style", subject(16, "sepia"), {"training.steps": 300}),
    Scenario("healthy creature", subject(8, "lizard"), {"training.steps": 300}),
    Scenario("memorised: 3 pictures, 1,200 steps", subject(3), {"training.steps": 1200}),
    Scenario(
        "alike captions, rank 64",
        subject(8, alike=True),
        {"training.steps": 800, "adapter.rank": 64, "captions.dropout": 0.0},
    ),
    Scenario("rate x 30", subject(), {"training.steps": 300, "optimizer.learning_rate": 2e-2}),
    Scenario("creature past the optimum", subject(4, "lizard"), {"training.steps": 1200}),
)


class Truth(NamedTuple):
    """Shares from 0 to 1, None where not asked.

    `taught`: the subject or style is recognised in new contexts; `context`: colour of the ground and place obeyed
    there; `others`: attributes of prompts without the trigger obeyed; `legs`: creatures of all pictures whose legs are
    right; `copies`: training captions that come back as their training picture; `saturation`, `detail`: mean
    saturation and mean absolute Laplacian of other prompts, in levels of 255.
    """

    taught: float
    context: float
    others: float
    legs: float | None
    copies: float
    saturation: float
    detail: float


def train(scenario: Scenario, folder: Path) -> Path:
    """The last checkpoint's LoRA of a scenario's run."""
    run, data = folder / "run", folder / "data"
    found = sorted(run.glob("checkpoints/step-*/pytorch_lora_weights.safetensors"))
    if not found:
        write_folder(data, scenario.asked)
        tables = {"validation.held_out": 0, "validation.every_steps": 0, "saving.every_steps": 100, **scenario.settings}
        lines = [f'output = "{run}"', f'data = [{{folder = "{data}"}}]', 'captions.trigger = "zwx"']
        lines += [
            f"{key} = {str(value).lower() if isinstance(value, bool) else value}" for key, value in tables.items()
        ]
        (folder / "config.toml").write_text(f'model.path = "{micro_klein()}"\n' + "\n".join(lines) + "\n")
        command = [sys.executable, "-m", "lora_doctor", "train", str(folder / "config.toml"), "--no-preflight"]
        subprocess.run(command, check=True)
        found = sorted(run.glob("checkpoints/step-*/pytorch_lora_weights.safetensors"))
    return found[-1]


def contexts(asked: Asked, number: int) -> list[Scene]:
    """New contexts for what was taught."""
    rng = random.Random(NEW)
    if asked.what in HELD_OUT_STYLES:
        return [random_scene(rng)._replace(style=asked.what) for _ in range(number)]
    return [random_scene(rng, (asked.what,)) for _ in range(number)]


def looked_at(scenario: Scenario, lora: Path | None, number: int) -> tuple[Truth, list[Picture]]:
    """What the model draws with a LoRA (or without), measured; and the pictures."""
    family, models = load_folder(micro_klein())
    if lora:
        models.pipeline.load_lora_weights(str(lora))
        models.pipeline.set_adapters(models.pipeline.get_list_adapters()["transformer"], [scenario.strength])
    asked, training = scenario.asked, planned(scenario.asked)
    new, other = contexts(asked, number), scenes(OTHER, number)
    whole = asked._replace(alike=False)
    of_new = drawn(family, models, [captioned(scene, whole) for scene in new])
    of_other = drawn(family, models, [caption(scene) for scene in other], seed=1000)
    again = [scene for scene in training for _ in range(max(1, number // 2 // len(training)))]
    of_training = drawn(family, models, [captioned(scene, asked) for scene in again], seed=2000)
    truth = measured(asked, list(zip(new, of_new, strict=True)), list(zip(other, of_other, strict=True)))
    copies = [nearest(picture, training).copy for picture in of_training]
    shown = [*of_new[:12], *of_other[:12], *of_training[:12]]
    return truth._replace(copies=_mean(copies)), shown


def measured(asked: Asked, new: Sequence[tuple[Scene, Picture]], other: Sequence[tuple[Scene, Picture]]) -> Truth:
    """Ground truth of pictures of new contexts and of other prompts."""
    seen = look([picture for _, picture in new])
    share = is_style if asked.what in HELD_OUT_STYLES else is_subject
    kept = ("position",) if asked.what in HELD_OUT_STYLES else ("ground", "position")
    hits = [obedience(each, scene) for each, (scene, _) in zip(seen, new, strict=True)]
    rest = [obedience(picture, scene) for scene, picture in other]
    legs = [hit["legs"] for hit in (*hits, *rest) if hit.get("legs") is not None]
    grey = [picture.astype(np.float32).mean(2) for _, picture in other]
    return Truth(
        taught=_mean(share(each, asked.what) > 0.5 for each in seen),
        context=_mean(hit[name] is True for hit in hits for name in kept if name in hit),
        others=_mean(hit[name] is True for hit in rest for name in TOLD if name in hit),
        legs=_mean(legs) if legs else None,
        copies=0.0,
        saturation=_mean(float(np.ptp(p.astype(np.float32), 2).mean()) for _, p in other),
        detail=_mean(
            float(np.abs(4 * g[1:-1, 1:-1] - g[:-2, 1:-1] - g[2:, 1:-1] - g[1:-1, :-2] - g[1:-1, 2:]).mean())
            for g in grey
        ),
    )


def _mean(values: Iterable[float | bool | None]) -> float:
    return float(np.mean([float(value or 0) for value in values]))


def row(name: str, truth: Truth) -> str:
    """One line of the table."""
    shares = [truth.taught, truth.context, truth.others, truth.legs, truth.copies]
    cells = ["-" if share is None else f"{share:.0%}" for share in shares]
    return f"| {name} | " + " | ".join([*cells, f"{truth.saturation:.0f}", f"{truth.detail:.1f}"]) + " |"


def main() -> None:
    """Trains what is not there yet and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("provoked"))
    parser.add_argument("--output", type=Path, default=Path("provoked"))
    parser.add_argument("--only", default="")
    parser.add_argument("--strengths", type=float, nargs="+", default=[1.0, 1.5, 2.0])
    parser.add_argument("--number", type=int, default=48)
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.output.mkdir(parents=True, exist_ok=True)
    lines = [
        "| run | taught | context | others | legs | copies | saturation | detail |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    wanted = [word for word in options.only.split(",") if word]
    for scenario in (s for s in SCENARIOS if not wanted or any(word in s.name for word in wanted)):
        folder = options.work / scenario.name.replace(" ", "-").replace(":", "").replace(",", "")
        folder.mkdir(parents=True, exist_ok=True)
        for strength in options.strengths:
            truth, pictures = looked_at(scenario._replace(strength=strength), train(scenario, folder), options.number)
            lines.append(row(scenario.name if strength == 1 else f"... at strength {strength:g}", truth))
            print(lines[-1], flush=True)
            name = f"{folder.name}-{strength:g}.png"
            training = [render(scene) for scene in planned(scenario.asked)][:12]
            write(str(options.output / name), sheet([*pictures, *training], 12))
    (options.output / "provoked.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
