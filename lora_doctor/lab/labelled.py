"""Runs with a known outcome: cases to train on a micro pipeline, and what ground truth says of each checkpoint.

A case is trained by `lora-doctor train`'s own loop, with its monitors and samples; a watcher draws other pictures at
every checkpoint and writes what the world's measures say of them to `truth.jsonl`. Nothing here knows the doctor.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np
from PIL import Image

from lora_doctor.dialects import native
from lora_doctor.dialects.reader import Reader
from lora_doctor.probe.asked import RESPONSE
from lora_doctor.probe.predict import Asked as Forward
from lora_doctor.probe.prompts import response
from lora_doctor.source.read import read_text
from lora_doctor.train.adapters import strength
from lora_doctor.train.aside import aside
from lora_doctor.train.families import Family, Models
from lora_doctor.train.folder import append_row, read_rows
from lora_doctor.train.job import Job
from lora_doctor.train.monitors import STRENGTHS, Monitors, as_numbers, sized
from lora_doctor.train.resolve import resolve
from lora_doctor.train.run import End
from lora_doctor.train.start import train
from lora_doctor.train.validation import Samples
from lora_doctor.train.watch import Halt, State, Watchers
from lora_doctor.typed import typed

from .pretrain.attention import plain_attention
from .truth.outcome import STRONG, Drawn, Outcome, outcome
from .world.folders import Asked, captioned
from .world.render import Picture, render
from .world.scene import Scene, caption, random_scene
from .world.vocabulary import CREATURES, HELD_OUT_STYLES, SUBJECTS

NEW, OTHER, AGAIN, STRONGER = 12, 20, 20, 6  # pictures of each kind; of creatures more new ones
SAMPLER_STEPS: Final = 8  # micro Klein obeys as well as with 16 (24 prompts: subject, colour, place and legs all right)
_DRAW: Final = 500_000  # seeds of contexts and prompts that no training saw
NOTHING: Mapping[str, Any] = MappingProxyType({})


class Case(NamedTuple):
    """One training. kind: how it is provoked, which is no label; what: subject or style; number: pictures trained on,
    `held` more are held out; pool: which scenes they are (`any`, `palette`: few colours, `logo`: one scene drawn again,
    `plain`: one white ground); settings: keys of lora-doctor's config; frozen: share of the LoRA's layers that get no
    gradient; reported: kept out of calibration.
    """

    kind: str
    what: str
    seed: int
    number: int = 12
    held: int = 4
    trigger: str = "zwx"
    alike: bool = False
    pool: str = "any"
    settings: Mapping[str, Any] = NOTHING
    frozen: float = 0.0
    reported: bool = False

    @property
    def name(self) -> str:
        """A folder's name."""
        return f"{self.kind}-{self.what}-{self.seed}"

    @property
    def asked(self) -> Asked:
        """The same in the words of `world.folders`."""
        return Asked(self.what, self.trigger, self.number, self.seed, alike=self.alike)

    @property
    def purpose(self) -> str:
        """What the LoRA is for."""
        return "style" if self.what in HELD_OUT_STYLES else "subject"


def pictured(case: Case) -> list[Scene]:
    """The scenes of a case's folder, held-out ones among them."""
    rng = random.Random(f"{case.name} {case.number}")
    return [_scene(case, rng) for _ in range(case.number + case.held)]


def contexts(case: Case, number: int) -> list[Scene]:
    """New contexts of what is taught, as no training saw them."""
    rng = random.Random(_DRAW + case.seed)
    return [_scene(case._replace(pool="any"), rng) for _ in range(number)]


def others(case: Case, number: int) -> list[Scene]:
    """Scenes of prompts without what is taught, two thirds of them creatures, whose legs can be counted; a trigger that
    is a word of the world is used in its usual sense."""
    rng = random.Random(2 * _DRAW + case.seed)
    usual = (case.trigger,) if case.trigger in SUBJECTS else SUBJECTS
    return [random_scene(rng, tuple(CREATURES) if i % 3 else usual) for i in range(number)]


def _scene(case: Case, rng: random.Random) -> Scene:
    if case.what in HELD_OUT_STYLES:
        scene = random_scene(rng, SUBJECTS)._replace(style=case.what)
    else:
        scene = random_scene(rng, (case.what,))
    if case.pool == "palette":
        grounds = {"red": "orange", "orange": "yellow"}
        return scene._replace(ground=grounds.get(scene.ground, "red"), colour="yellow")
    if case.pool == "plain":
        return scene._replace(ground="white", background="plain", light="soft")
    if case.pool == "logo":
        return Scene(case.what, "blue", size="big", medium="drawing", seed=scene.seed)
    return scene


def write_data(case: Case, folder: Path) -> None:
    """Pictures of 64 px, each with its caption beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    for place, scene in enumerate(pictured(case)):
        path = folder / f"{case.what}-{place + 1:02}.png"
        Image.fromarray(render(scene)).save(path)
        path.with_suffix(".txt").write_text(captioned(scene, case.asked) + "\n", encoding="utf-8")


def job_of(case: Case, model: Path, folder: Path, cache: Path) -> Job:
    """The case as `lora-doctor train` would resolve it from a config."""
    tables = {
        "captions.trigger": case.trigger,
        "purpose": case.purpose,
        "training.seed": case.seed,
        "precision.compute": "bf16",
        "precision.base": "bf16",
        "validation.held_out": case.held,
        "validation.sampler_steps": SAMPLER_STEPS,
        "validation.strengths": [1.25, STRONG],
        "memory.cache_folder": str(cache),
        "memory.cache_text": False,  # the encoders stay: ground truth asks for prompts of its own
        "logging.tensorboard": False,
        **case.settings,
    }
    told = {key: value for key, value in tables.items() if value is not None}
    lines = [f"{key} = {json.dumps(value)}" for key, value in told.items()]
    head = [f"output = {json.dumps(str(folder / 'run'))}", f"data = [{{folder = {json.dumps(str(folder / 'data'))}}}]"]
    text = "\n".join([*head, f"model.path = {json.dumps(str(model))}", *lines]) + "\n"
    (plan,) = native.read(read_text(str(folder / "case.toml"), text.encode()), "training", Reader())
    return resolve(typed(plan), {})


def train_case(case: Case, model: Path, folder: Path, cache: Path) -> End:
    """Write its pictures, train it, and leave `run/` with `truth.jsonl`, a row for step 0 and each checkpoint."""
    write_data(case, folder / "data")
    samples = Samples(_quiet)
    watchers = Watchers((AtCheckpoints(_quiet), samples, Truths(case, samples)))
    with plain_attention("cpu"):
        return train(job_of(case, model, folder, cache), watchers, _quiet)


def _quiet(_: str) -> None:
    """A benchmark has lines of its own."""


def truths(run: Path) -> dict[int, Outcome]:
    """What was written of each checkpoint, by step; 0 is the base model."""
    return {row.pop("step"): Outcome(**row) for row in read_rows(run / "truth.jsonl")}


class AtCheckpoints(Monitors):
    """Measures at the checkpoints only, as a diagnosis with the base model does."""

    def begin(self, state: State) -> None:
        """The base model."""
        super().begin(state)
        self._every = state.job.saving.every_steps


class Truths:
    """Draws pictures at the start and at every checkpoint, and writes what they show."""

    def __init__(self, case: Case, samples: Samples) -> None:
        """`samples` draws the sweep of strengths at every checkpoint too: each may be the end of a shorter run."""
        self._case, self._samples = case, samples
        number = 16 if case.what in ("lizard", *CREATURES) else NEW
        self._new, self._other = contexts(case, number), others(case, OTHER)
        self._training: list[Scene] = []

    def begin(self, state: State) -> None:
        """The base model."""
        trained = {Path(each.name).name.split(" ")[0] for each in state.items}
        scenes = {f"{self._case.what}-{i + 1:02}.png": scene for i, scene in enumerate(pictured(self._case))}
        self._training = [scene for name, scene in scenes.items() if name in trained]
        _freeze(state.models, self._case.frozen)
        self._write(state)

    def step(self, state: State) -> Halt | None:
        """Nothing to do."""
        return None

    def saved(self, state: State) -> None:
        """Pictures, the sweep, and the response to strength, as a diagnosis with the base model would ask it."""
        self._write(state)
        if not state.last:
            self._samples.sweep(state)
            image = sized(state.items[0])
            asked = [Forward(image.latents, sigma, image.prompts, image.sizes, "strength") for sigma in RESPONSE]
            with aside(state):
                found = response(state.family, state.models, lambda: asked, STRENGTHS)
            append_row(state.folder.monitors, {"step": state.step, "monitor": "strength", "response": found})

    def end(self, state: State, reason: str) -> None:
        """Nothing to do."""

    def _write(self, state: State) -> None:
        with aside(state):
            found = outcome(self._case.what, self._drawn(state), self._training)
        append_row(state.folder.root / "truth.jsonl", as_numbers({"step": state.step, **found._asdict()}))

    def _drawn(self, state: State) -> Drawn:
        case, asked = self._case, self._case.asked._replace(alike=False)
        wanted = [self._training[i % len(self._training)] for i in range(AGAIN)] if self._training else []
        texts = [*(captioned(s, asked) for s in self._new), *(caption(s) for s in self._other)]
        pictures = draw(state.family, state.models, [*texts, *(captioned(s, case.asked) for s in wanted)], case.seed)
        new = list(zip(self._new, pictures))
        other = list(zip(self._other, pictures[len(new) :]))
        found = Drawn(new, other, pictures[len(texts) :])
        if state.step == 0:
            return found
        with strength(state.models, STRONG):
            some = [*texts[:STRONGER], *texts[len(new) : len(new) + STRONGER]]
            seeds = [*range(STRONGER), *range(len(new), len(new) + STRONGER)]
            strong = draw(state.family, state.models, some, case.seed, seeds)
        return found._replace(
            strong_new=list(zip(self._new[:STRONGER], strong)),
            strong_other=list(zip(self._other[:STRONGER], strong[STRONGER:])),
        )


def _freeze(models: Models, share: float) -> None:
    """Leave so many of the LoRA's layers without a gradient, evenly spread."""
    layers: dict[str, list[Any]] = {}
    for name, parameter in models.denoiser.named_parameters():
        if parameter.requires_grad:
            layers.setdefault(name.partition(".lora_")[0], []).append(parameter)
    count = round(share * len(layers))
    names = list(layers)
    for place in range(count):
        for parameter in layers[names[place * len(names) // count]]:
            parameter.requires_grad_(False)


def draw(
    family: Family, models: Models, texts: Sequence[str], seed: int, places: Sequence[int] | None = None
) -> list[Picture]:
    """One picture for each text; its noise is that of its place."""
    places = range(len(texts)) if places is None else places
    seeds = [10_000 * (seed + 1) + place for place in places]
    images = [image for some, own in _batches(texts, seeds) for image in
              family.sample(models, some, own, steps=SAMPLER_STEPS)]  # fmt: skip
    return [np.asarray(image.convert("RGB")) for image in images]


def _batches(texts: Sequence[str], seeds: Sequence[int], most: int = 16) -> Iterator[tuple[list[str], list[int]]]:
    for start in range(0, len(texts), most):
        yield list(texts[start : start + most]), list(seeds[start : start + most])
