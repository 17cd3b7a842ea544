"""What keeps the base model as it was, measured on the micro Klein by ground truth: leakage, drift, memorising.

    python benchmarks/keeping.py                      # every way, two seeds: about 15 minutes of CPU time
    python benchmarks/keeping.py --only plain,output --seeds 3

A LoRA learns a lizard, which the micro Klein never saw, as `zwx` from six pictures, and too long. `critter` is the
class that it should leave alone: a creature the base knows well. Nothing is judged by what was trained with: pictures
are drawn by the pipeline itself and told by the world's own measures (`lora_doctor.lab.truth`).
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
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
from lora_doctor.lab.truth.look import look
from lora_doctor.lab.truth.obedience import is_subject, obedience
from lora_doctor.lab.world.folders import Asked, planned
from lora_doctor.lab.world.render import render
from lora_doctor.lab.world.scene import Scene, caption, random_scene, scenes
from lora_doctor.lab.world.vocabulary import PIXELS
from lora_doctor.train import job as parts
from lora_doctor.train.folder import RunFolder
from lora_doctor.train.loading import load_folder
from lora_doctor.train.start import train
from lora_doctor.train.watch import Halt, State, Watchers

TRIGGER, SUBJECT, CLASS = "zwx", "lizard", "critter"
TOLD = ("subject", "colour", "ground", "position")  # attributes that count as obeyed
NEW, ALIKE, OTHER, PRIOR = 500, 700, 600, 900  # seeds of scenes that no training saw
Picture = NDArray[np.uint8]


class Way(NamedTuple):
    """One way to train: changes of the job by table."""

    name: str
    changes: dict[str, dict[str, Any]] = {}  # noqa: RUF012  (never changed)


PROMPTS = tuple(caption(scene) for scene in scenes(PRIOR, 16))
CRITTERS = tuple(caption(scene, name=CLASS) for scene in scenes(PRIOR, 16, (CLASS,)))
WAYS = (
    Way("plain"),
    Way("caption dropout 0.1", {"captions": {"dropout": 0.1}}),
    Way("caption dropout 0.3", {"captions": {"dropout": 0.3}}),
    Way("max norm", {"optimizer": {"max_norm": 1.0}}),
    Way("min rank 4 of 8", {"adapter": {"min_rank": 4}}),
    Way("min rank 1 of 8", {"adapter": {"min_rank": 1}}),
    Way("prior, any prompts", {"keeping": {"prior_weight": 1.0, "prior_prompts": PROMPTS}}),
    Way("prior, prompts of the class", {"keeping": {"prior_weight": 1.0, "prior_prompts": CRITTERS}}),
    Way("output of the class", {"keeping": {"output_weight": 1.0, "output_class": CLASS}}),
    Way(
        "output and any prompts",
        {"keeping": {"prior_weight": 1.0, "prior_prompts": PROMPTS, "output_weight": 1.0, "output_class": CLASS}},
    ),
    Way("half the steps", {"training": {"steps": 0.5}}),
)


class Truth(NamedTuple):
    """Shares from 0 to 1: `taught`, the lizard where the trigger calls it; `context`, ground and place obeyed there;
    `leaked`, the lizard where a critter is asked for; `critters`, critters there; `others`, attributes of other prompts
    obeyed; `copies`, training captions that come back as their picture. `drift`: root mean square difference of other
    prompts' pictures from the base's, same noise, levels of 255. `seconds`: CPU time of a step.
    """

    taught: float
    context: float
    leaked: float
    critters: float
    others: float
    drift: float
    copies: float
    seconds: float = 0.0


class Asks(NamedTuple):
    """What is drawn: scenes and prompts."""

    new: list[tuple[Scene, str]]
    alike: list[tuple[Scene, str]]
    other: list[tuple[Scene, str]]
    again: list[str]
    training: list[Scene]


def asks(training: list[Scene], number: int) -> Asks:
    """So many of each kind."""
    rng = random.Random(NEW)
    new = [random_scene(rng, (SUBJECT,)) for _ in range(number)]
    alike, other = scenes(ALIKE, number, (CLASS,)), scenes(OTHER, number)
    again = [caption(scene, name=TRIGGER) for scene in training] * max(1, number // len(training))
    return Asks(
        [(scene, caption(scene, name=TRIGGER)) for scene in new],
        [(scene, caption(scene, name=CLASS)) for scene in alike],
        [(scene, caption(scene)) for scene in other],
        again,
        training,
    )


def measured(family: Any, models: Any, asked: Asks, base: Sequence[Picture] | None) -> tuple[Truth, list[Picture]]:
    """What the model draws, told; and its pictures of the other prompts."""
    taught = look(drawn(family, models, [text for _, text in asked.new]))
    critters = look(drawn(family, models, [text for _, text in asked.alike], seed=1000))
    other = drawn(family, models, [text for _, text in asked.other], seed=2000)
    again = drawn(family, models, asked.again, seed=3000)
    hits = [obedience(seen, scene) for seen, (scene, _) in zip(taught, asked.new, strict=True)]
    rest = [obedience(seen, scene) for seen, (scene, _) in zip(look(other), asked.other, strict=True)]
    apart = [np.mean((one.astype(float) - two.astype(float)) ** 2) for one, two in zip(other, base or other)]
    truth = Truth(
        _mean(is_subject(seen, SUBJECT) > 0.5 for seen in taught),
        _mean(hit[name] is True for hit in hits for name in ("ground", "position") if name in hit),
        _mean(is_subject(seen, SUBJECT) > 0.5 for seen in critters),
        _mean(is_subject(seen, CLASS) > 0.5 for seen in critters),
        _mean(hit[name] is True for hit in rest for name in TOLD if name in hit),
        float(np.sqrt(np.mean(apart))),
        _mean(nearest(picture, asked.training).copy for picture in again),
    )
    return truth, other


def _mean(values: Iterable[float | bool]) -> float:
    return float(np.mean([float(value) for value in values]))


class Ending:
    """Looks at the model when its training is over."""

    def __init__(self, asked: Asks, base: Sequence[Picture]) -> None:
        self.asked, self.base, self.truth = asked, base, None
        self._begun = time.process_time()

    def begin(self, state: State) -> None:
        self._begun = time.process_time()

    def step(self, state: State) -> Halt | None:
        return None

    def saved(self, state: State) -> None:
        """Nothing to do."""

    def end(self, state: State, reason: str) -> None:
        seconds = (time.process_time() - self._begun) / state.step
        truth, _ = measured(state.family, state.models, self.asked, self.base)
        self.truth = truth._replace(seconds=seconds)


def job_of(way: Way, folder: Path, data: Path, names: tuple[str, ...], steps: int, seed: int) -> parts.Job:
    """What the micro Klein's card advises, without held-out images, and this way's changes."""
    job = parts.Job(
        folder,
        parts.Model(micro_klein(), "flux2-klein"),
        (parts.Data(data, names, resolution=(PIXELS,)),),
        parts.Training(steps, batch_size=4, seed=seed),
        adapter=parts.Adapter(rank=8, alpha=8.0),
        captions=parts.Captions(TRIGGER, dropout=0.0),
        optimizer=parts.Optimizer(learning_rate=6e-4),
        precision=parts.Precision("fp32", "fp32", "fp32", "fp32", "fp32"),
        memory=parts.Memory(gradient_checkpointing=False, cache_folder=data.parent / "cache"),
        validation=parts.Validation(every_steps=0, held_out=0),
        saving=parts.Saving(every_steps=steps),
    )
    for table, values in way.changes.items():
        if "steps" in values:
            values = {"steps": round(steps * values["steps"])}
            job = job._replace(saving=parts.Saving(every_steps=values["steps"]))
        job = job._replace(**{table: getattr(job, table)._replace(**values)})
    return job


def pictures(folder: Path, asked: Asked) -> tuple[str, ...]:
    """Write the training pictures with captions; their names."""
    folder.mkdir(parents=True)
    for number, scene in enumerate(planned(asked)):
        Image.fromarray(render(scene, PIXELS)).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(caption(scene, name=TRIGGER), encoding="utf-8")
    return tuple(sorted(path.name for path in folder.glob("*.png")))


def elsewhere(run: RunFolder, steps: int, asked: Asks, base: Sequence[Picture]) -> Truth:
    """The saved file as plain diffusers loads it."""
    family, models = load_folder(micro_klein())
    models.pipeline.load_lora_weights(str(run.checkpoint(steps) / "pytorch_lora_weights.safetensors"))
    return measured(family, models, asked, base)[0]


def row(name: str, truths: Sequence[Truth], plain: float) -> str:
    """One line of the table: means over the seeds, and their range where they differ."""
    cells = []
    for field, values in zip(Truth._fields, zip(*truths, strict=True), strict=True):
        scale, unit = (100, " %") if field not in ("drift", "seconds") else (1, "")
        if field == "seconds":
            cells.append(f"{np.mean(values) / plain:.1f}" if plain and np.mean(values) else "")
            continue
        low, high = (round(edge * scale) for edge in (min(values), max(values)))
        spread = f" ({low} to {high})" if high > low else ""
        cells.append(f"{np.mean(values) * scale:.0f}{unit}{spread}")
    return f"| {name} | " + " | ".join(cells) + " |"


def main() -> None:
    """Trains every way with every seed, seeds outermost, and prints the table so far after each seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="names of ways, or parts of them, with commas between")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--images", type=int, default=6)
    parser.add_argument("--number", type=int, default=36, help="pictures drawn of each kind of prompt")
    options = parser.parse_args()
    torch.set_num_threads(1)
    wanted = [word for word in options.only.split(",") if word]
    ways = [way for way in WAYS if not wanted or any(word in way.name for word in wanted)]
    asked = Asked(SUBJECT, number=options.images, edge=PIXELS)
    questions = asks(planned(asked), options.number)
    truth, base = measured(*load_folder(micro_klein()), questions, None)
    found: dict[str, list[Truth]] = {"the base model": [truth]}
    print(row("the base model", [truth], 0), flush=True)
    with tempfile.TemporaryDirectory() as work:
        data = Path(work) / "data"
        names = pictures(data, asked)
        for seed in range(options.seeds):
            for way in ways:
                ending = Ending(questions, base)
                job = job_of(way, Path(work) / f"{way.name} {seed}", data, names, options.steps, seed)
                train(job, Watchers((ending,)), lambda _: None)
                assert ending.truth is not None
                found.setdefault(way.name, []).append(ending.truth)
                print(seed, row(way.name, [ending.truth], 0), f"{ending.truth.seconds:.3f} s", flush=True)
                if job.adapter.min_rank:
                    plainly = f"{way.name}, loaded elsewhere"
                    found.setdefault(plainly, []).append(
                        elsewhere(RunFolder(job.output), job.training.steps, questions, base)
                    )
                    print(seed, row(plainly, found[plainly][-1:], 0), flush=True)
            print_table(found)


def print_table(found: dict[str, list[Truth]]) -> None:
    """The table."""
    print("| | " + " | ".join(Truth._fields[:-1]) + " | time |\n|---|" + "--:|" * len(Truth._fields))
    plain = float(np.mean([each.seconds for each in found["plain"]])) if "plain" in found else 0.0
    for name, truths in found.items():
        print(row(name, truths, plain), flush=True)


if __name__ == "__main__":
    main()
