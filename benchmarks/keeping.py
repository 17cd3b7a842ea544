"""What keeps the base model as it was, measured on the micro Klein by ground truth: leakage, drift, memorising.

    python benchmarks/keeping.py                      # every way, two seeds: some minutes of CPU time
    python benchmarks/keeping.py --only plain,output --seeds 3
    python benchmarks/keeping.py --kept rows.jsonl    # goes on where it was stopped

A LoRA learns a lizard, which the micro Klein never saw, as `zwx` from four pictures, and too long. `critter` is the
class that it should leave alone: a creature the base knows well. Nothing is judged by what was trained with: pictures
are drawn by the pipeline itself and told by the world's own measures (`lora_doctor.lab.truth`).
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
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
from lora_doctor.probe.predict import Asked as Question
from lora_doctor.probe.predict import answers
from lora_doctor.train import job as parts
from lora_doctor.train import optimizers
from lora_doctor.train.adapters import strength
from lora_doctor.train.families import evaluating
from lora_doctor.train.folder import RunFolder
from lora_doctor.train.loading import load_folder
from lora_doctor.train.start import train
from lora_doctor.train.watch import Halt, State, Watchers

TRIGGER, SUBJECT, CLASS = "zwx", "lizard", "critter"
TOLD = ("subject", "colour", "ground", "position")  # attributes that count as obeyed
SIGMAS = (0.9, 0.6, 0.3)
NEW, ALIKE, OTHER, PRIOR = 500, 700, 600, 900  # seeds of scenes that no training saw


class Way(NamedTuple):
    """One way to train: changes of the job by table."""

    name: str
    changes: dict[str, dict[str, Any]] = {}  # noqa: RUF012  (never changed)


HALF = -0.5  # of plain training's
PROMPTS = tuple(caption(scene) for scene in scenes(PRIOR, 16))
CRITTERS = tuple(caption(scene, name=CLASS) for scene in scenes(PRIOR, 16, (CLASS,)))
WAYS = (
    Way("plain"),
    Way("output of the class", {"keeping": {"output_weight": 1.0, "output_class": CLASS}}),
    Way("prior, any prompts", {"keeping": {"prior_weight": 1.0, "prior_prompts": PROMPTS}}),
    Way("min rank 1 of 8", {"adapter": {"min_rank": 1}}),
    Way("max norm, half of plain's median", {"optimizer": {"max_norm": HALF}}),
    Way("caption dropout 0.1", {"captions": {"dropout": 0.1}}),
    Way("half the steps", {"training": {"steps": HALF}}),
    Way("prior, prompts of the class", {"keeping": {"prior_weight": 1.0, "prior_prompts": CRITTERS}}),
    Way("caption dropout 0.3", {"captions": {"dropout": 0.3}}),
    Way("min rank 4 of 8", {"adapter": {"min_rank": 4}}),
)


class Truth(NamedTuple):
    """Shares of pictures, 0 to 1: `taught`, the lizard where the trigger calls it; `leaked`, the lizard where a critter
    is asked for; `others`, attributes of other prompts obeyed; `copies`, training captions that come back as their
    picture. Of the denoiser: `class_drift` and `drift`, what it predicts for critters and for other prompts, away from
    the base's predictions, as a share of their size. `norm`: median over layers of the update's. `seconds`: CPU time of
    a step.
    """

    taught: float
    leaked: float
    others: float
    copies: float
    class_drift: float
    drift: float
    norm: float = 0.0
    seconds: float = 0.0


class Asks(NamedTuple):
    """What is drawn: prompts that call the lizard, of critters, of others; the training captions, and their scenes."""

    new: list[str]
    alike: list[str]
    other: list[Scene]
    again: list[str]
    training: list[Scene]


def asks(training: list[Scene], number: int) -> Asks:
    """So many of each kind."""
    rng = random.Random(NEW)
    new = [caption(random_scene(rng, (SUBJECT,)), name=TRIGGER) for _ in range(number)]
    alike = [caption(scene, name=CLASS) for scene in scenes(ALIKE, number, (CLASS,))]
    again = [caption(scene, name=TRIGGER) for scene in training] * max(1, number // len(training))
    return Asks(new, alike, scenes(OTHER, number), again, training)


def measured(family: Any, models: Any, asked: Asks) -> Truth:
    """What the model draws and predicts, told."""
    told = [caption(scene) for scene in asked.other]
    pictures = drawn(family, models, [*asked.new, *asked.alike, *told, *asked.again])
    counts = [len(part) for part in (asked.new, asked.alike, told)]
    seen = look(pictures[: sum(counts)])
    taught, alike, other = (seen[sum(counts[:i]) : sum(counts[: i + 1])] for i in range(3))
    hits = [obedience(each, scene) for each, scene in zip(other, asked.other, strict=True)]
    return Truth(
        _mean(is_subject(each, SUBJECT) > 0.5 for each in taught),
        _mean(is_subject(each, SUBJECT) > 0.5 for each in alike),
        _mean(hit[name] is True for hit in hits for name in TOLD if name in hit),
        _mean(nearest(picture, asked.training).copy for picture in pictures[sum(counts) :]),
        drift(family, models, scenes(ALIKE, len(asked.alike), (CLASS,)), asked.alike),
        drift(family, models, asked.other, told),
        float(np.median([_norm(*factors) for factors in optimizers.factors(models)] or [0.0])),
    )


def drift(family: Any, models: Any, shown: Sequence[Scene], prompts: Sequence[str]) -> float:
    """Root mean square of what the adapter changes in predictions, by that of the base's; scenes with their prompts."""
    pixels = np.stack([render(scene, PIXELS) for scene in shown]).astype(np.float32) / 127.5 - 1
    latents = family.encode_images(models, torch.from_numpy(pixels).permute(0, 3, 1, 2))
    sizes = torch.full((6,), float(PIXELS))
    asked = [
        Question(image, sigma, prompt, sizes, f"keeping {sigma}")
        for image, prompt in zip(latents, family.encode_prompts(models, prompts), strict=True)
        for sigma in SIGMAS
    ]
    now = torch.stack([each.predicted for each in answers(family, models, asked)])
    with strength(models, 0.0):
        base = torch.stack([each.predicted for each in answers(family, models, asked)])
    return float((now - base).square().mean().sqrt() / base.square().mean().sqrt())


def _norm(down: Any, up: Any, scale: float) -> float:
    return float(abs(scale) * (up.detach().float() @ down.detach().float()).norm())


def _mean(values: Iterable[float | bool]) -> float:
    return float(np.mean([float(value) for value in values]))


class Ending:
    """Looks at the model when its training is over."""

    def __init__(self, asked: Asks) -> None:
        self.asked = asked
        self.truth: Truth | None = None
        self._begun = time.process_time()

    def begin(self, state: State) -> None:
        """The clock starts."""
        self._begun = time.process_time()

    def step(self, state: State) -> Halt | None:
        """Nothing to do."""
        return None

    def saved(self, state: State) -> None:
        """Nothing to do."""

    def end(self, state: State, reason: str) -> None:
        """Measure."""
        seconds = (time.process_time() - self._begun) / state.step
        with torch.no_grad(), evaluating(state.models.denoiser):
            self.truth = measured(state.family, state.models, self.asked)._replace(seconds=seconds)


def job_of(
    way: Way, folder: Path, data: Path, names: tuple[str, ...], steps: int, seed: int, norm: float | None
) -> parts.Job:
    """What the micro Klein's card advises, faster and without held-out images, and this way's changes."""
    if way.changes.get("training"):
        steps //= 2
    job = parts.Job(
        folder,
        parts.Model(micro_klein(), "flux2-klein"),
        (parts.Data(data, names, resolution=(PIXELS,)),),
        parts.Training(steps, batch_size=4, seed=seed),
        adapter=parts.Adapter(rank=8, alpha=8.0),
        captions=parts.Captions(TRIGGER, dropout=0.0),
        optimizer=parts.Optimizer(learning_rate=1.5e-3),
        precision=parts.Precision("fp32", "fp32", "fp32", "fp32", "fp32"),
        memory=parts.Memory(gradient_checkpointing=False, cache_folder=data.parent / "cache", cache_text=False),
        validation=parts.Validation(every_steps=0, held_out=0),
        saving=parts.Saving(every_steps=steps),
    )
    for table, values in way.changes.items():
        if table == "optimizer":
            job = job._replace(optimizer=job.optimizer._replace(max_norm=norm))
        elif table != "training":
            job = job._replace(**{table: getattr(job, table)._replace(**values)})
    return job


def pictures(folder: Path, asked: Asked) -> tuple[str, ...]:
    """Write the training pictures with captions; their names."""
    folder.mkdir(parents=True)
    for number, scene in enumerate(planned(asked)):
        Image.fromarray(render(scene, PIXELS)).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(caption(scene, name=TRIGGER), encoding="utf-8")
    return tuple(sorted(path.name for path in folder.glob("*.png")))


def elsewhere(run: RunFolder, steps: int, asked: Asks) -> Truth:
    """The saved file as plain diffusers loads it."""
    family, models = load_folder(micro_klein())
    models.pipeline.load_lora_weights(str(run.checkpoint(steps) / "pytorch_lora_weights.safetensors"))
    with torch.no_grad():
        return measured(family, models, asked)


def row(name: str, truths: Sequence[Truth], plain: float = 0.0) -> str:
    """One line of the table: means over the seeds, and their range where they differ; time beside plain training."""
    cells = []
    for values in list(zip(*truths, strict=True))[:6]:
        low, high = (round(100 * edge) for edge in (min(values), max(values)))
        cells.append(f"{np.mean(values):.0%}" + (f" ({low} to {high})" if high > low else ""))
    times = [each.seconds for each in truths]
    return f"| {name} | " + " | ".join([*cells, f"{np.mean(times) / plain:.1f}" if plain and times[0] else ""]) + " |"


def table(found: dict[str, list[Truth]]) -> str:
    """All ways."""
    plain = float(np.mean([each.seconds for each in found["plain"]])) if "plain" in found else 0.0
    head = "| | taught | leaked | others obeyed | copies | class drifts | others drift | time of a step |"
    return "\n".join([head, "|---|" + "--:|" * 7, *(row(name, truths, plain) for name, truths in found.items())])


def main() -> None:
    """Trains every way with every seed, seeds outermost, and prints the table so far after each seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="names of ways, or parts of them, with commas between")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=140)
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--number", type=int, default=12, help="pictures drawn of each kind of prompt")
    parser.add_argument("--kept", type=Path, help="a file for what was measured: what is in it is not measured again")
    options = parser.parse_args()
    torch.set_num_threads(1)
    wanted = [word for word in options.only.split(",") if word]
    ways = [way for way in WAYS if not wanted or any(word in way.name for word in wanted)]
    asked = Asked(SUBJECT, number=options.images, edge=PIXELS)
    questions = asks(planned(asked), options.number)
    rows = Rows(options.kept)
    if not rows.has("the base model", 0):
        family, models = load_folder(micro_klein())
        with torch.no_grad():
            rows.add("the base model", 0, measured(family, models, questions))
    with tempfile.TemporaryDirectory() as work:
        data = Path(work) / "data"
        names = pictures(data, asked)
        for seed in range(options.seeds):
            for way in (each for each in ways if not rows.has(each.name, seed)):
                plain = rows.truths.get("plain")
                half = 0.5 * next(iter(plain.values())).norm if plain else None
                ending = Ending(questions)
                job = job_of(way, Path(work) / f"{way.name} {seed}", data, names, options.steps, seed, half)
                train(job, Watchers((ending,)), lambda _: None)
                assert ending.truth is not None
                if job.adapter.min_rank:
                    run = RunFolder(job.output)
                    rows.add(f"{way.name}, loaded elsewhere", seed, elsewhere(run, job.training.steps, questions))
                rows.add(way.name, seed, ending.truth)
            print(table({name: list(truths.values()) for name, truths in rows.truths.items()}), flush=True)


class Rows:
    """What was measured, by way and seed; kept in a file where one is named."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.truths: dict[str, dict[int, Truth]] = {}
        for line in path.read_text(encoding="utf-8").splitlines() if path and path.exists() else ():
            name, seed, values = json.loads(line)
            self.truths.setdefault(name, {})[seed] = Truth(*values)

    def has(self, name: str, seed: int) -> bool:
        """Whether it is measured."""
        return seed in self.truths.get(name, {})

    def add(self, name: str, seed: int, truth: Truth) -> None:
        """Keep and print it."""
        self.truths.setdefault(name, {})[seed] = truth
        print(seed, row(name, [truth]), f"{truth.seconds:.3f} s, norm {truth.norm:.2f}", flush=True)
        if self.path:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps([name, seed, truth]) + "\n")


if __name__ == "__main__":
    main()
