"""The prompts a run is watched with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_doctor.train.prompts import KINDS, TAGS, manner_of, matrix, pairs, subject_of, unrelated

RINGS = [
    "zwx, a gold ring with a ruby on dark velvet, soft light",
    "zwx, a silver ring on a white table, seen from above",
    "zwx, a brass ring held in a hand, blurred background",
]
ROBOTS = ["a photo of zwx robot on grass", "zwx robot waving, blue sky", "drawing of zwx robot in a kitchen"]


@pytest.mark.parametrize(
    ("captions", "trigger", "purpose", "word", "called"),
    [
        (RINGS, "zwx", "subject", "ring", "zwx ring"),
        (ROBOTS, "zwx", None, "robot", "zwx robot"),
        (ROBOTS, "zwx", "style", None, "zwx, a cat"),
        (["a cat", "the moon over a lake", "people in a street"], None, None, None, "a cat"),
        (["a photo of an owl in a tree", "an owl at night"], None, None, "owl", "an owl"),
        (["", ""], "zwx", None, None, "zwx, a cat"),
        ([], None, None, None, "a cat"),
    ],
)
def test_the_class(captions: list[str], trigger: str | None, purpose: str | None, word: str, called: str) -> None:
    subject = subject_of(captions, trigger, purpose)
    assert subject.word == word
    assert subject.called[0] == called
    assert not any("zwx" in text for text in subject.plain)


def test_the_matrix() -> None:
    slots = matrix(RINGS, "zwx", "subject", ["[trigger] on the moon"])
    assert [slot.name for slot in slots] == [
        "training-0", "training-1", "novel-0", "novel-1", "style-0", "class-0", "class-1", "unrelated-0", "user-0",
    ]  # fmt: skip
    prompts = {slot.name: slot.prompt for slot in slots}
    assert {prompts["training-0"], prompts["training-1"]} <= set(RINGS)
    assert prompts["novel-0"] == "a photo of zwx ring on a wooden table by a window"
    assert prompts["class-0"] == "a photo of a ring on a wooden table by a window"
    assert prompts["style-0"] == "a watercolor painting of zwx ring"
    assert prompts["user-0"] == "zwx on the moon"
    assert "ring" not in prompts["unrelated-0"]


def test_without_a_trigger_nothing_can_leak() -> None:
    assert not [slot for slot in matrix(RINGS) if slot.kind == "class"]


def test_tags_are_answered_with_tags() -> None:
    tags = ["zwx, 1girl, red hair, smile, outdoors", "zwx, 1girl, hat, city, night"]
    assert manner_of(tags, {}) == TAGS
    assert {slot.name: slot.prompt for slot in matrix(tags, "zwx")}["novel-0"] == (
        "zwx 1girl, wooden table, window, indoors"
    )


def test_a_micro_model_says_its_own_words() -> None:
    said = {"contexts": ["photo of {}, red background"], "unrelated": ["photo of a star"]}
    slots = {slot.name: slot.prompt for slot in matrix(RINGS, "zwx", None, (), said)}
    assert slots["novel-0"] == "photo of zwx ring, red background"
    assert slots["unrelated-0"] == "photo of a star"
    assert slots["style-0"] == "a watercolor painting of zwx ring"
    assert unrelated(RINGS, said) == ["photo of a star"]


def test_pairs_differ_in_the_trigger_alone() -> None:
    found = pairs(RINGS, "zwx")
    assert len(found) == 4
    for called, plain in found:
        assert called.replace("zwx ring", "a ring") == plain


@given(st.lists(st.text(max_size=40), max_size=8), st.sampled_from([None, "zwx", "a b"]), st.booleans())
def test_whatever_the_captions_there_is_a_matrix(captions: list[str], trigger: str | None, style: bool) -> None:
    slots = matrix(captions, trigger, "style" if style else None)
    assert slots == matrix(captions, trigger, "style" if style else None)
    assert len({slot.name for slot in slots}) == len(slots)
    assert {slot.kind for slot in slots} <= set(KINDS)
    assert {"novel", "style", "unrelated"} <= {slot.kind for slot in slots}
    assert all(slot.prompt for slot in slots)


def test_the_micro_model_is_asked_in_its_own_words() -> None:
    from lora_doctor.lab import micro_klein
    from lora_doctor.lab.world.vocabulary import BACKGROUNDS, COLOURS, LIGHTS, MEDIA, POSITIONS, SIZES, SUBJECTS
    from lora_doctor.train.families import micro_of

    known = {*COLOURS, *LIGHTS, *MEDIA, *POSITIONS, *SUBJECTS, *SIZES, *BACKGROUNDS, "zwx", "robot"}
    known |= {"of", "a", "an", "at", "background", "centered", "light"}
    captions = [f"photo of a zwx robot, red background, at left, number {i}" for i in range(3)]
    for slot in matrix(captions, "zwx", "subject", (), micro_of(micro_klein())):
        if slot.kind != "training":
            assert {*slot.prompt.replace(",", "").split()} <= known
