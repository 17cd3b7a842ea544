"""The measures on fresh renders. Floors lie below what docs/lab.md tells for pictures through the VAE."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from lora_doctor.lab.micro.klein import autoencoder
from lora_doctor.lab.pretrain import judges
from lora_doctor.lab.pretrain.examples import draw, picture
from lora_doctor.lab.truth.accuracy import attributes, counted
from lora_doctor.lab.truth.copies import distance, nearest
from lora_doctor.lab.truth.labels import UNASKED, classes, shown
from lora_doctor.lab.truth.legs import count_legs
from lora_doctor.lab.truth.look import look
from lora_doctor.lab.truth.obedience import is_style, is_subject, obedience, table
from lora_doctor.lab.truth.place import place
from lora_doctor.lab.truth.weights import WEIGHTS, judge
from lora_doctor.lab.world.altered import RANGE, altered
from lora_doctor.lab.world.render import render
from lora_doctor.lab.world.scene import Scene, scenes
from lora_doctor.lab.world.vocabulary import ATTRIBUTES, HELD_OUT_STYLES, HELD_OUT_SUBJECTS, SUBJECTS

EVERYTHING = (*SUBJECTS, *HELD_OUT_SUBJECTS)


def test_weights_are_small_enough_for_the_package() -> None:
    assert WEIGHTS.stat().st_size < 400_000
    assert sum(p.numel() for p in judge().network.parameters()) < 300_000


def test_attributes_are_told_right() -> None:
    examples = draw(4242, 300)
    found = counted(attributes(examples, look([picture(example)[0] for example in examples])))
    for name in ATTRIBUTES:
        assert found[name].right / found[name].asked > 0.9, (name, found[name])
    for name in ("position by geometry", "size by geometry"):
        assert found[name].right / found[name].asked > 0.95, (name, found[name])


@pytest.mark.parametrize("subject", list(RANGE))
def test_legs_are_counted_also_where_there_are_too_few_or_too_many(subject: str) -> None:
    low, high = RANGE[subject]
    drawn = scenes(44, 80, (subject,))
    numbers = [low + turn % (high - low + 1) for turn in range(len(drawn))]
    drawers = [altered(subject, number, random.Random(turn)) for turn, number in enumerate(numbers)]
    counts = count_legs([render(s, drawer=d) for s, d in zip(drawn, drawers, strict=True)], subject)
    assert sum(a == b for a, b in zip(counts, numbers, strict=True)) / len(numbers) > 0.85


def test_of_noise_the_judge_is_unsure() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 64, 64, 3), np.uint8)
    answers = [answer.word for seen in look(list(noise)) for answer in seen.answers.values()]
    assert sum(word is None for word in answers) / len(answers) > 0.9


def test_the_same_pictures_get_the_same_answers_to_the_bit() -> None:
    pictures = [render(scene) for scene in scenes(45, 8, EVERYTHING)]
    one, other = look(pictures), look(pictures)
    assert [seen.answers for seen in one] == [seen.answers for seen in other]
    assert all((a.mask == b.mask).all() for a, b in zip(one, other, strict=True))


def test_obedience_of_the_asked_and_of_another_scene() -> None:
    scene = Scene("critter", "red", "striped", "matte", "soft", "cyan", "plain", "left", "big", "photo", seed=7)
    asked = obedience(render(scene), scene)
    assert set(asked) == {*ATTRIBUTES, "legs"}
    assert all(asked.values()), asked
    other = scene._replace(colour="blue", position="right", background="tiled", medium="drawing")
    missed = {name for name, hit in obedience(render(scene), other).items() if hit is False}
    assert missed == {"colour", "position", "background", "medium"}


def test_the_table_counts_per_subject() -> None:
    drawn = scenes(46, 40)
    scores = table([(scene, render(scene)) for scene in drawn])
    assert scores["subject"].asked == 40
    assert sum(score.asked for name, score in scores.items() if name.startswith("subject ")) == 40
    assert scores["ground"].rate > 0.9


def test_a_held_out_subject_and_style_are_known() -> None:
    for subject in HELD_OUT_SUBJECTS:
        own = look([render(scene) for scene in scenes(47, 8, (subject,))])
        others = look([render(scene) for scene in scenes(48, 8)])
        assert min(is_subject(seen, subject) for seen in own) > max(is_subject(seen, subject) for seen in others)
    for style in {*HELD_OUT_STYLES} - {"mosaic", "neon"}:  # those two are not told well: docs/lab.md
        own = look([render(scene._replace(style=style)) for scene in scenes(49, 8)])
        assert np.mean([is_style(seen, style) for seen in own]) > 0.5


def test_a_copy_is_told_from_the_same_caption_drawn_again() -> None:
    training = scenes(50, 12, HELD_OUT_SUBJECTS)
    rng = np.random.default_rng(0)
    for number, scene in enumerate(training):
        noisy = np.clip(render(scene) + rng.normal(0, 6, (64, 64, 3)), 0, 255).astype(np.uint8)
        found = nearest(noisy, training)
        assert found.number == number
        assert found.copy
    again = [nearest(render(scene._replace(seed=scene.seed + 1)), training).copy for scene in training]
    assert sum(again) <= 1
    assert distance(render(training[0]), render(training[0])) == 0.0


def test_a_subject_outside_the_places_of_the_world_has_no_position() -> None:
    corner = np.zeros((64, 64), np.float32)
    corner[2:20, 2:20] = 1
    assert place(corner, "square").position is None
    assert place(np.zeros((64, 64), np.float32), "square") == (None, None)


def test_labels_leave_out_what_a_picture_cannot_show() -> None:
    robot, styled = Scene("robot", "red"), Scene("circle", "red", style="neon")
    assert "colour" not in shown(robot)
    assert set(shown(styled)) == {"subject", "position", "size", "style"}
    numbers = classes([robot, styled])
    assert numbers[0, list(ATTRIBUTES).index("colour")] == UNASKED
    assert numbers[1, list(ATTRIBUTES).index("style")] == ATTRIBUTES["style"].index("neon")


def test_training_the_judge_is_resumed_to_the_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real stage on a few examples: once in one go, once interrupted after its third step."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    vae = autoencoder()
    monkeypatch.setattr(judges, "CALIBRATION", 20)
    for name in ("whole", "stopped"):
        (tmp_path / name).mkdir()
        train = partial(judges.train_judge, tmp_path / name, vae, tmp_path / f"{name}.safetensors", 60, 4, 8, 2)
        if name == "stopped":
            with monkeypatch.context() as patch:
                patch.setattr(judges, "worse", _interrupts_at(4))
                with pytest.raises(KeyboardInterrupt):
                    train()
        train()
    whole, stopped = ((tmp_path / f"{name}.safetensors").read_bytes() for name in ("whole", "stopped"))
    assert whole == stopped


def _interrupts_at(step: int) -> Callable[..., torch.Tensor]:
    calls, original = [0], judges.worse

    def worse(pixels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        calls[0] += 1
        if calls[0] == step:
            raise KeyboardInterrupt
        return original(pixels, generator)

    return worse
