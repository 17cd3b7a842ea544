"""Runs with one thing wrong, made of real files: the symptom is found, in its place and time, and no other is."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from lora_doctor.runs.read import read_run
from lora_doctor.symptoms.course import Course
from lora_doctor.symptoms.judge import judge
from lora_doctor.symptoms.measure import examine
from lora_doctor.symptoms.verdict import Verdict

from .folders import grown, noisy, picture, scene, write_events, write_lora, write_run

Array = Any
STEPS = (100, 200, 300, 400)
SAMPLED = (0, *STEPS)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Eight training images with captions."""
    folder = tmp_path / "images"
    for i in range(8):
        picture(folder / f"{i}.png", scene(50, i))
        (folder / f"{i}.txt").write_text(f"zwx standing at place number {i}")
    return folder


Run = Callable[..., tuple[Course, dict[str, Verdict]]]


@pytest.fixture
def diagnosed(tmp_path: Path, images: Path) -> Run:
    """Write a run, measure and judge it."""

    def diagnosing(
        trainer: str = "ai-toolkit", *, before: Callable[[Path], None] | None = None, dataset: Path | None = images,
        config: Path | None = None, **how: Any,
    ) -> tuple[Course, dict[str, Verdict]]:  # fmt: skip
        given: dict[str, Any] = {"steps": STEPS, "samples": SAMPLED, "slots": 4}
        root = write_run(tmp_path / "run", trainer, **(given | how))
        if before is not None:
            before(root)
        course = examine(read_run(root, dataset=dataset, config=config), cache=tmp_path / "cache.sqlite")
        found, problems = judge(course)
        assert not problems
        return course, {each.rule.id: each.verdict for each in found}

    return diagnosing


def present(verdicts: dict[str, Verdict]) -> set[str]:
    return {name for name, verdict in verdicts.items() if verdict.present}


def test_a_healthy_run(diagnosed: Run) -> None:
    course, verdicts = diagnosed()
    assert present(verdicts) == set()
    for name in (
        "diverged",
        "layers-never-trained",
        "resumed-wrongly",
        "training-images-reproduced",
        "weights-stalled",
    ):
        assert verdicts[name].state == "absent", name
    assert verdicts["anatomy-at-risk"].state == "can't tell"
    assert "needs the base model" in course.unmeasured["prompt_sensitivity"]


@pytest.mark.parametrize("trainer", ["sd-scripts", "musubi-tuner", "SimpleTuner", "OneTrainer", "lora-doctor"])
def test_healthy_under_every_trainers_names(trainer: str, diagnosed: Run) -> None:
    _, verdicts = diagnosed(trainer)
    assert present(verdicts) == set()
    assert verdicts["diverged"].state == "absent"


def _copying(change: Callable[[Array], Array]) -> Callable[[int, int], Array]:
    def paint(step: int, slot: int) -> Array:
        return change(scene(50, slot)) if step >= 300 and slot < 2 else noisy(step, slot)

    return paint


def _blurred(image: Array) -> Array:
    small = cv2.resize(image, (128, 128), interpolation=cv2.INTER_AREA)
    noise = np.random.default_rng(3).normal(0, 6, small.shape)
    return np.clip(cv2.resize(small, (192, 192)) + cv2.resize(noise, (192, 192)), 0, 255).astype(np.uint8)


CHANGES: dict[str, tuple[Callable[[Array], Array], set[str]]] = {
    "as it was": (lambda image: image, {"whole"}),
    "soft and noisy": (_blurred, {"whole"}),
    "mirrored": (lambda image: np.ascontiguousarray(image[:, ::-1]), {"mirrored"}),
    "cropped": (lambda image: cv2.resize(image[20:150, 30:160], (192, 192)), {"cropped", "composition"}),
    "mirrored and cropped": (
        lambda image: cv2.resize(np.ascontiguousarray(image[:, ::-1])[0:134, 0:134], (192, 192)),
        {"mirrored", "composition", "cropped"},
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_training_image_comes_back(change: str, diagnosed: Run) -> None:
    paint, hows = CHANGES[change]
    course, verdicts = diagnosed(paint=_copying(paint))
    verdict = verdicts["training-images-reproduced"]
    assert verdict.present
    assert verdict.since == 300
    assert verdict.advice[0].key == "train.steps"
    assert verdict.advice[0].value == "200"
    assert course.likeness is not None
    found = {(match.step, match.picture) for match in course.likeness.matches}
    assert found == {(step, f"{slot}.png") for step in (300, 400) for slot in (0, 1)}
    assert {match.how for match in course.likeness.matches} <= hows


def test_one_subject_in_one_place_is_no_copy(diagnosed: Run, tmp_path: Path) -> None:
    """Training images that are much alike, and samples as near to them as they are to one another."""
    folder = tmp_path / "alike"

    def view(*key: int) -> Array:
        image = (0.75 * scene(9).astype(np.float32) + 0.25 * scene(*key).astype(np.float32)).astype(np.uint8)
        rng = np.random.default_rng([3, *key])
        matrix = cv2.getRotationMatrix2D((96, 96), float(rng.uniform(-25, 25)), float(rng.uniform(1.2, 1.7)))
        return cv2.warpAffine(image, matrix, (192, 192), borderMode=cv2.BORDER_REFLECT)

    for i in range(10):
        picture(folder / f"{i}.png", view(60, i))
    _, verdicts = diagnosed(paint=lambda step, slot: view(70, step, slot) if step else scene(1, slot), dataset=folder)
    assert not verdicts["training-images-reproduced"].present


def _mixed(image: Array, other: Array, share: float) -> Array:
    return np.clip((1 - share) * image.astype(np.float32) + share * other.astype(np.float32), 0, 255).astype(np.uint8)


def test_colours_collapse(diagnosed: Run) -> None:
    def paint(step: int, slot: int) -> Array:
        lab = cv2.cvtColor(noisy(step, slot), cv2.COLOR_BGR2LAB).astype(np.float32)
        share = max(0.0, (step - 100) / 300)
        mean = lab.mean((0, 1))
        lab += share * (np.array([120, 150, 160], np.float32) - mean)
        return cv2.cvtColor(np.clip(lab, 0, 255).astype(np.uint8), cv2.COLOR_LAB2BGR)

    _, verdicts = diagnosed(paint=paint, slots=8, steps=(200, 400), samples=(0, 200, 400))
    assert verdicts["colours-collapsed"].present
    readings = {each.spec.name: each for each in verdicts["colours-collapsed"].evidence}
    assert readings["palette"].level == "alarm"


def test_a_style_in_black_and_white_has_not_lost_its_colours(diagnosed: Run, tmp_path: Path) -> None:
    folder = tmp_path / "grey"

    def grey(image: Array) -> Array:
        return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)

    for i in range(8):
        picture(folder / f"{i}.png", grey(scene(80, i)))
    _, verdicts = diagnosed(
        paint=lambda step, slot: _mixed(noisy(step, slot), grey(noisy(step, slot)), min(1, step / 300)),
        dataset=folder,
        slots=5,
    )
    assert present(verdicts) == set()


def test_fried_samples(diagnosed: Run) -> None:
    def paint(step: int, slot: int) -> Array:
        image = noisy(step, slot).astype(np.float32)
        share = max(0, step - 100) / 100
        return np.clip(image.mean((0, 1)) + (image - image.mean((0, 1))) * (1 + share), 0, 255).astype(np.uint8)

    def soft(image: Array) -> Array:
        return _mixed(image, np.full_like(image, 128), 0.5)

    _, verdicts = diagnosed(paint=lambda step, slot: soft(noisy(0, slot)) if step == 0 else paint(step, slot), slots=5)
    assert verdicts["oversaturated"].present


def test_a_grid(diagnosed: Run) -> None:
    def paint(step: int, slot: int) -> Array:
        image = noisy(step, slot, size=256).astype(np.float32)
        if step >= 300:
            image[:, ::16] += 7
            image[::16] += 7
        return np.clip(image, 0, 255).astype(np.uint8)

    _, verdicts = diagnosed(paint=paint)
    assert verdicts["grid-in-samples"].present
    assert verdicts["grid-in-samples"].since == 300


def test_all_samples_become_one(diagnosed: Run) -> None:
    def paint(step: int, slot: int) -> Array:
        return _mixed(scene(1, slot), scene(99), min(0.93, step / 320))

    _, verdicts = diagnosed(paint=paint, slots=8, steps=(200, 400), samples=(0, 200, 400))
    assert {"samples-all-alike", "prompt-ignored"} <= present(verdicts)
    assert not verdicts["training-images-reproduced"].present


def test_samples_without_the_lora(diagnosed: Run) -> None:
    _, verdicts = diagnosed(paint=lambda step, slot: scene(1, slot))
    assert "samples-ignore-the-lora" in present(verdicts)
    assert present(verdicts) <= {"samples-ignore-the-lora", "under-trained"}


def test_black_samples(diagnosed: Run) -> None:
    def paint(step: int, slot: int) -> Array:
        return np.zeros((192, 192, 3), np.uint8) if step >= 300 else noisy(step, slot)

    _, verdicts = diagnosed(paint=paint)
    assert verdicts["diverged"].present
    assert verdicts["diverged"].since == 300
    assert "step 300" in verdicts["diverged"].advice[0].text


def _weights(
    change: Callable[[int, dict[str, Array]], None], trainer: str = "klein"
) -> Callable[[int], dict[str, Array]]:
    def make(step: int) -> dict[str, Array]:
        tensors = grown(step, trainer)
        change(step, tensors)
        return tensors

    return make


def test_nan_in_the_weights(diagnosed: Run) -> None:
    def spoil(step: int, tensors: dict[str, Array]) -> None:
        if step >= 300:
            next(iter(tensors.values()))[0, 0] = math.nan

    _, verdicts = diagnosed(weights=_weights(spoil))
    assert verdicts["diverged"].present
    assert verdicts["diverged"].since == 300
    assert verdicts["diverged"].confidence >= 0.99


def test_layers_that_were_never_trained(diagnosed: Run) -> None:
    def clear(step: int, tensors: dict[str, Array]) -> None:
        tensors[list(tensors)[1]][:] = 0

    _, verdicts = diagnosed(weights=_weights(clear))
    assert present(verdicts) == {"layers-never-trained"}
    assert "50%" in verdicts["layers-never-trained"].message


def test_weights_that_stand_still(diagnosed: Run) -> None:
    course, verdicts = diagnosed(weights=lambda step: grown(min(step, 200), "klein"))
    assert present(verdicts) == {"weights-stalled"}
    assert verdicts["weights-stalled"].since == 300
    assert course.signals["same_weights"].values == (0.0, 1.0, 1.0)


def test_bf16_rounds_the_steps_away(diagnosed: Run) -> None:
    """What bf16 does to a step of 1e-5 is done here, not described: updates are added to bf16 weights."""
    import ml_dtypes

    kept: dict[int, dict[str, Array]] = {}

    def stalled(step: int) -> dict[str, Array]:
        if step not in kept:
            tensors = {name: value.astype(ml_dtypes.bfloat16) for name, value in grown(100, "klein").items()}
            rng = np.random.default_rng(5)
            done = 100
            while True:
                kept[done] = {name: value.astype(np.float32) for name, value in tensors.items()}
                if done >= 400:
                    break
                for _ in range(20):
                    for name, value in tensors.items():
                        move = (1e-5 * rng.choice([-1, 1], value.shape)).astype(ml_dtypes.bfloat16)
                        tensors[name] = (value + move).astype(ml_dtypes.bfloat16)
                done += 100
        return kept[step]

    course, verdicts = diagnosed(weights=stalled)
    assert min(course.signals["unchanged"].values) > 0.5  # every A, and some of B
    assert verdicts["weights-stalled"].state == "can't tell"
    assert "possible" in verdicts["weights-stalled"].message


def test_a_run_resumed_from_nothing(diagnosed: Run) -> None:
    """Files of steps 100 and 200 were written anew by a run that began again; those of 300 and 400 are older."""

    def again(step: int, tensors: dict[str, Array]) -> None:
        if step <= 200:
            for name, value in tensors.items():
                if "lora_B" in name:
                    tensors[name] = np.random.default_rng([step > 0, len(name)]).permutation(value)

    course, verdicts = diagnosed(weights=_weights(again))
    verdict = verdicts["resumed-wrongly"]
    assert abs(course.signals["continuity"].values[1]) < 0.3
    assert verdict.present
    assert "step 300" in verdict.message


def test_a_counter_that_fell_back_is_told_but_not_enough_alone(diagnosed: Run) -> None:
    def log(root: Path) -> None:
        write_events(root / "logs/events.out.tfevents.1", [("loss/loss", s, 0.3) for s in range(1, 400, 4)], time=1e9)
        write_events(root / "logs/events.out.tfevents.2", [("loss/loss", s, 0.3) for s in range(1, 400, 4)], time=2e9)

    course, verdicts = diagnosed(before=log)
    assert course.signals["counter_restarts"].values == (1.0,)
    assert verdicts["resumed-wrongly"].state != "present"


def test_losses_that_are_no_numbers(diagnosed: Run) -> None:
    def log(root: Path) -> None:
        rows = [("loss/loss", step, math.nan if step > 250 else 0.3) for step in range(1, 400)]
        write_events(root / "logs/events.out.tfevents.1", rows)

    _, verdicts = diagnosed(before=log)
    assert verdicts["diverged"].present
    assert any(each.spec.name == "loss_broken" and each.since == 251 for each in verdicts["diverged"].evidence)


@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_the_raw_loss_is_never_judged(scale: float, diagnosed: Run) -> None:
    """However high, low or noisy: the verdicts are those of the run without a log."""

    def log(root: Path) -> None:
        rng = np.random.default_rng(0)
        rows = [("loss/loss", step, scale * float(rng.lognormal()) * step / 400) for step in range(1, 401)]
        write_events(root / "logs/events.out.tfevents.1", rows)

    _, verdicts = diagnosed(before=log)
    assert present(verdicts) == set()
    assert "loss_rise" not in {r.spec.name for verdict in verdicts.values() for r in verdict.evidence}


def test_held_out_loss_tells_the_optimum(diagnosed: Run) -> None:
    def log(root: Path) -> None:
        rows = [("eval/loss", step, 0.5 + 0.1 * (step / 400 - 0.25) ** 2) for step in range(0, 401, 50)]
        write_events(root / "logs/events.out.tfevents.1", rows)

    course, verdicts = diagnosed(before=log)
    risk = verdicts["anatomy-at-risk"]
    assert risk.present
    assert risk.confidence <= 0.5
    assert "none was measured" in risk.message
    assert course.optimum() == 100
    assert course.window is not None
    assert course.window.pick == 100
    assert course.window.confidence <= 0.5


def test_a_trigger_that_leaks(diagnosed: Run, tmp_path: Path, images: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.replace("IMAGES", str(images)))
    course, verdicts = diagnosed(config=config, dataset=None, slots=4)
    assert course.trigger == "zwx"
    assert course.signals["leak"].at[-1] == 400
    assert verdicts["trigger-leaks"].state != "absent"
    assert verdicts["under-trained"].evidence
    quiet, calm = diagnosed(
        config=config,
        dataset=None,
        slots=4,
        paint=lambda step, slot: noisy(step, slot) if slot < 2 else noisy(step // 20, slot),
    )
    assert quiet.signals["leak"].values[-1] < 0.5
    assert calm["trigger-leaks"].state == "absent"


CONFIG = """\
job: extension
config:
  name: zwx
  process:
    - type: sd_trainer
      training_folder: out
      trigger_word: zwx
      network: {type: lora, linear: 4, linear_alpha: 4}
      datasets:
        - {folder_path: IMAGES, caption_ext: txt, resolution: [512]}
      train: {batch_size: 1, steps: 400, lr: 0.0001, optimizer: adamw}
      model: {name_or_path: black-forest-labs/FLUX.2-klein-base-4B, arch: flux2_klein_4b}
      sample: {prompts: [zwx in a park, zwx at the sea, a dog, a house], seed: 42, sample_every: 100}
"""


def test_captions_with_another_ending(diagnosed: Run, tmp_path: Path, images: Path) -> None:
    for path in images.glob("*.txt"):
        path.rename(path.with_suffix(".caption"))
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.replace("IMAGES", str(images)))
    course, verdicts = diagnosed(config=config, dataset=None)
    assert verdicts["captions-not-read"].present
    assert course.signals["captions_missing"].values == (1.0,)
    advice = verdicts["captions-not-read"].advice[0]
    assert (advice.key, advice.value) == ("datasets.0.caption_ext", ".caption")


def test_samples_that_are_broken_are_set_aside(diagnosed: Run) -> None:
    def damage(root: Path) -> None:
        for name in sorted(os.listdir(root / "samples"))[:2]:
            data = (root / "samples" / name).read_bytes()
            (root / "samples" / name).write_bytes(data[:100])
        (root / "samples" / "1754000040009__000000400_9.png").write_bytes(b"")

    course, verdicts = diagnosed(before=damage)
    assert len([aside for aside in course.run.aside if "no whole picture" in aside.why]) == 3
    assert present(verdicts) == set()


def test_a_second_look_measures_nothing_again(diagnosed: Run, tmp_path: Path) -> None:
    first, _ = diagnosed()
    told: list[tuple[str, int, int]] = []
    again = examine(first.run, cache=tmp_path / "cache.sqlite", tell=lambda *how: told.append(how))
    assert again.signals == first.signals
    assert told == []


def test_a_checkpoint_that_changed_is_measured_again(diagnosed: Run, tmp_path: Path) -> None:
    first, _ = diagnosed()
    tensors = {name: value * 2 for name, value in grown(400, "klein").items()}
    write_lora(first.run.checkpoints[-1].path, tensors, {})
    again = examine(first.run, cache=tmp_path / "cache.sqlite")
    assert again.signals["norm"].values[-1] > 3 * first.signals["norm"].values[-1]
    assert again.signals["norm"].values[:-1] == first.signals["norm"].values[:-1]


def test_sketches_tell_the_angle_between_checkpoints(tmp_path: Path) -> None:
    """Against the exact inner products of the changes."""
    from lora_doctor.adapter.facts import examine as header
    from lora_doctor.symptoms.weights import weigh

    exact, sketches = [], []
    for step in (100, 200, 400):
        tensors = grown(step, "kohya")
        write_lora(tmp_path / f"{step}.safetensors", tensors, {}, "F32")
        names = sorted({name.rsplit(".lora_", 1)[0] for name in tensors})
        full = [tensors[f"{n}.lora_up.weight"] @ tensors[f"{n}.lora_down.weight"] for n in names]
        exact.append(np.concatenate([each.ravel() for each in full]))
        sketches.append(weigh(header(tmp_path / f"{step}.safetensors")).sketch.ravel())
    for vectors in (exact, sketches):
        norms = [np.linalg.norm(v) for v in vectors]
        assert np.all(np.array(norms) > 0)
    cosine = [float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)) for a, b in pairwise(exact)]
    guess = [float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)) for a, b in pairwise(sketches)]
    assert guess == pytest.approx(cosine, abs=0.12)


def test_what_lora_doctors_own_monitors_measured(diagnosed: Run) -> None:
    """Held-out loss that rises while the training loss falls, prompts that lose their weight, a sweep that breaks."""

    def soft(step: int, slot: int) -> Array:
        return _mixed(noisy(step, slot), np.full((192, 192, 3), 128, np.uint8), 0.5)

    def watch(root: Path) -> None:
        rows: list[dict[str, Any]] = []
        for name in ("train", "held_out"):
            rows.append({"step": 0, "monitor": "loss", "set": name, "base": True, "losses": [[0.5, 0.4]] * 8})
        for step in (0, 100, 200, 300, 400):
            fall, rise = 1 - step / 500, 1 + 0.2 * (step / 400 - 0.25) ** 2 - 0.0125 - 0.02 * (step > 0)
            for name, factor in (("train", fall), ("held_out", rise)):
                losses = [[0.5 * factor * (1 + 0.01 * i), 0.4 * factor] for i in range(8)]
                rows.append({"step": step, "monitor": "loss", "set": name, "losses": losses})
            asked = {
                "sensitivity": 1 - step / 800,
                "leakage": 0.95,
                "drift": 0.2,
                "drift_unrelated": 0.02,
                "gain": 0.01,
            }
            rows.append({"step": step, "monitor": "prompts", **asked})
        (root / "monitors.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        listed = (root / "samples.jsonl").read_text()
        for strength in (1.5, 2.0):
            for slot in range(4):
                image = noisy(400, slot).astype(np.float32)
                burnt = np.clip(image.mean() + (image - image.mean()) * 4, 0, 255).astype(np.uint8)
                name = f"samples/step-000400/{slot}-strength-{strength:g}.png"
                picture(root / name, burnt if strength == 2.0 else soft(390, slot))
                row = {"step": 400, "file": name, "prompt": f"a photo of zwx {slot}", "seed": 42, "strength": strength}
                listed += json.dumps(row) + "\n"
        (root / "samples.jsonl").write_text(listed)

    course, verdicts = diagnosed("lora-doctor", before=watch, paint=soft)
    assert course.window is not None
    assert course.window.pick == 100
    assert course.signals["heldout_gap"].values[-1] > 1
    assert course.signals["prompt_sensitivity"].values[-1] == pytest.approx(0.5)
    assert course.signals["strength_knee"].values == (1.5,)
    assert {"prompt-ignored", "trigger-leaks", "training-images-reproduced"} <= present(verdicts)
    assert verdicts["base-forgotten"].state == "absent"


def test_a_style_may_be_called_without_its_trigger(diagnosed: Run, tmp_path: Path, images: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.replace("IMAGES", str(images)))
    course, _ = diagnosed(config=config, dataset=None)
    of_style, of_subject = (course._replace(purpose=purpose).read("leak") for purpose in ("style", "subject"))
    assert of_style is not None
    assert of_subject is not None
    assert of_subject.raised
    assert of_style.weight < of_subject.weight


def test_seeds_that_differ_every_time(diagnosed: Run) -> None:
    """How much samples vary can be told, how far each has moved can't."""

    def reseed(root: Path) -> None:
        for i, path in enumerate(sorted((root / "sample").iterdir())):
            path.rename(path.with_name(path.name.replace("_42.png", f"_{1000 + i}.png")))

    course, verdicts = diagnosed("sd-scripts", before=reseed)
    assert "diversity" in course.signals
    assert "response" not in course.signals
    assert present(verdicts) == set()


def test_a_small_figure_where_its_caption_wants_it_is_no_copy(diagnosed: Run, tmp_path: Path) -> None:
    """The base model puts another figure there already: what is near a training picture then is no proof."""
    plain = tmp_path / "plain"

    def figure(slot: int, colour: tuple[int, int, int], turned: int = 0) -> Array:
        grounds = ((60, 220, 240), (200, 120, 40), (60, 160, 60), (40, 40, 200))
        image = np.full((192, 192, 3), grounds[slot], np.uint8)
        centre = ((50, 50), (140, 60), (60, 140), (130, 130))[slot]
        cv2.ellipse(image, centre, (20, 26), turned, 0, 360, colour, -1)
        cv2.rectangle(image, (centre[0] - 8, centre[1] - 6), (centre[0] + 8, centre[1] + 8), (240, 240, 240), -1)
        return image

    for slot in range(4):
        picture(plain / f"{slot}.png", figure(slot, (200, 80, 40)))
        (plain / f"{slot}.txt").write_text(f"a photo of zwx {slot}")  # as the samples are asked for

    def near(step: int, slot: int) -> Array:
        return figure(slot, (180, 120, 30) if step == 0 else (210, 100, 50), 8 if step else 30)

    def copied(step: int, slot: int) -> Array:
        return figure(slot, (180, 120, 30), 30) if step == 0 else figure(slot, (200, 80, 40))

    course, verdicts = diagnosed("lora-doctor", dataset=plain, paint=near)
    assert "training-images-reproduced" not in present(verdicts)
    assert course.signals["copied_share"].values[-1] == 0
    course, verdicts = diagnosed("lora-doctor", dataset=plain, paint=copied)
    assert course.signals["recall"].values[-1] < 0.1
    assert "training-images-reproduced" in present(verdicts)


@pytest.mark.parametrize(
    ("strengths", "broken", "knee"), [((1.25, 1.5), 1.5, 1.25), ((1.25, 1.5), 9, 1.5), ((1.4,), 9, None)]
)
def test_a_sweep_says_what_it_has_seen(
    diagnosed: Run, strengths: tuple[float, ...], broken: float, knee: float | None
) -> None:
    """Held against strength 1; one that ends below 1.5 without artefacts says nothing of what lies above."""

    def sweep(root: Path) -> None:
        listed = (root / "samples.jsonl").read_text()
        for strength in strengths:
            for slot in range(4):
                image = noisy(400, slot).astype(np.float32)
                burnt = np.clip(image.mean() + (image - image.mean()) * 5, 0, 255).astype(np.uint8)
                name = f"samples/step-000400/{slot}-strength-{strength:g}.png"
                picture(root / name, burnt if strength >= broken else noisy(400, slot))
                row = {"step": 400, "file": name, "prompt": f"a photo of zwx {slot}", "seed": 42, "strength": strength}
                listed += json.dumps(row) + "\n"
        (root / "samples.jsonl").write_text(listed)

    course, verdicts = diagnosed("lora-doctor", before=sweep)
    signal = course.signals.get("strength_knee")
    assert (signal.values[0] if signal else None) == knee
    assert verdicts["artefacts-at-high-strength"].state == {1.25: "can't tell", 1.5: "absent", None: "can't tell"}[knee]
