"""Labelled runs: what ground truth calls healthy or ill, on pictures whose truth is known, and one real training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lora_doctor.lab import micro_klein
from lora_doctor.lab.labelled import Case, contexts, others, pictured, train_case, truths
from lora_doctor.lab.truth.outcome import LIMITS, Drawn, Outcome, labels, outcome, usable
from lora_doctor.lab.world.render import Picture, render
from lora_doctor.lab.world.scene import Scene
from lora_doctor.runs.read import read_run
from lora_doctor.symptoms.measure import examine, micro_of

CASE = Case("subject", "robot", 3, number=6)
HARMS = ("training-images-reproduced", "colours-collapsed", "prompt-ignored", "base-forgotten", "samples-all-alike")


def drawn(new: list[Scene], other: list[Scene], again: list[Picture]) -> Drawn:
    return Drawn([(s, render(s)) for s in new], [(s, render(s)) for s in other], again)


@pytest.fixture(scope="module")
def training() -> list[Scene]:
    return pictured(CASE)[: CASE.number]


@pytest.fixture(scope="module")
def good(training: list[Scene]) -> Outcome:
    """What a perfect LoRA draws: the subject as asked for, and of training captions another pose."""
    again = [render(scene._replace(seed=scene.seed + 7)) for scene in training]
    return outcome("robot", drawn(contexts(CASE, 10), others(CASE, 8), again), training)


def test_what_is_drawn_as_asked_is_healthy(good: Outcome) -> None:
    told = labels(good, good)
    assert not any(told[name] for name in HARMS), (told, good)
    assert told["under-trained"] is False
    assert usable(good, good, good.taught)


def test_training_pictures_that_come_back_are_copies(training: list[Scene], good: Outcome) -> None:
    found = outcome("robot", drawn(contexts(CASE, 10), others(CASE, 8), [render(s) for s in training]), training)
    assert labels(found, good)["training-images-reproduced"] is True
    assert not usable(found, good, good.taught)


def test_places_and_grounds_that_are_not_as_asked_are_an_ignored_prompt(training: list[Scene], good: Outcome) -> None:
    asked = contexts(CASE, 10)
    one = render(asked[0])
    found = outcome("robot", Drawn([(s, one) for s in asked], [(s, render(s)) for s in others(CASE, 8)], []), training)
    told = labels(found, good)
    assert told["prompt-ignored"] is True
    assert told["colours-collapsed"] is True
    assert told["samples-all-alike"] is True


def test_noise_has_learned_nothing_and_lost_everything(training: list[Scene], good: Outcome) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (18, 64, 64, 3), np.uint8)
    pairs = list(zip([*contexts(CASE, 10), *others(CASE, 8)], noise))
    told = labels(outcome("robot", Drawn(pairs[:10], pairs[10:], []), training), good)
    assert told["prompt-ignored"] is True
    assert told["base-forgotten"] is True
    assert told["under-trained"] is None, "what is broken can't show what it has learned"


def test_a_base_model_has_learned_nothing(training: list[Scene], good: Outcome) -> None:
    plain = [scene._replace(subject="star") for scene in contexts(CASE, 10)]
    other = [(s, render(s)) for s in others(CASE, 8)]
    found = outcome("robot", Drawn([(s, render(p)) for s, p in zip(contexts(CASE, 10), plain)], other, []), training)
    assert labels(found, good)["under-trained"] is True


def test_limits_leave_a_space_between() -> None:
    assert all(0 < each.absent < each.present < 1 for each in LIMITS.values())


def test_scenes_of_a_case_never_change() -> None:
    assert pictured(CASE) == pictured(CASE)
    assert pictured(CASE) != pictured(CASE._replace(seed=4))
    assert not {*contexts(CASE, 10)} & {*pictured(CASE)}


@pytest.mark.slow
def test_a_case_is_trained_watched_and_measured(tmp_path: Path) -> None:
    settings = {
        "training.steps": 4,
        "saving.every_steps": 2,
        "validation.every_steps": 2,
        "validation.sampler_steps": 2,
        "optimizer.learning_rate": 1e-3,
    }
    case = Case("frozen", "robot", 1, number=4, held=2, frozen=0.5, settings=settings)
    assert train_case(case, micro_klein(), tmp_path, tmp_path / "cache").status == "finished"
    found = truths(tmp_path / "run")
    assert list(found) == [0, 2, 4]
    assert found[0].strong is None
    assert found[4].strong is not None
    run = read_run(tmp_path / "run")
    assert {sample.strength for sample in run.samples if sample.step == 2} == {1.0, 1.25, 1.5}
    assert micro_of(run)
    course = examine(run, purpose="subject", cache=tmp_path / "cache.sqlite")
    assert course.signals["dead_share"].values[-1] == pytest.approx(0.5, abs=0.03)
    rows = [json.loads(line) for line in (tmp_path / "run" / "monitors.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if row["monitor"] == "strength"] == [2, 4]
