"""The world: the same pictures for the same seed, captions that say what is drawn, pairs that differ in one thing."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys

import numpy as np
import pytest

from lora_doctor.lab.world.altered import RANGE, altered
from lora_doctor.lab.world.pairs import KINDS, edits
from lora_doctor.lab.world.render import mask, render
from lora_doctor.lab.world.scene import Scene, caption, scenes, sparing
from lora_doctor.lab.world.styles import stylised
from lora_doctor.lab.world.vocabulary import (
    ATTRIBUTES,
    COLOURS,
    CREATURES,
    HELD_OUT_STYLES,
    HELD_OUT_SUBJECTS,
    SUBJECTS,
    UNSAID,
)

DRAWN = "95b1c79f4765ecedb431218466febf1073142d7dd62e3f07047cdad41d16ff63"


def _digest() -> str:
    """24 scenes of every subject and style, to the last bit."""
    digest = hashlib.sha256()
    for index, scene in enumerate(scenes(123, 24, (*SUBJECTS, *HELD_OUT_SUBJECTS))):
        if index % 3 == 2:
            scene = scene._replace(style=HELD_OUT_STYLES[(index // 3) % len(HELD_OUT_STYLES)])
        digest.update(render(scene).tobytes())
    return digest.hexdigest()


def test_the_same_seed_gives_the_same_bits() -> None:
    assert _digest() == DRAWN


def test_another_process_draws_the_same_bits() -> None:
    code = "from tests.lab.test_world import _digest; print(_digest())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == _digest()


def test_scenes_never_ask_for_what_cannot_be_seen() -> None:
    drawn = scenes(5, 2000, (*SUBJECTS, *HELD_OUT_SUBJECTS))
    assert all(scene.colour != scene.ground for scene in drawn)
    assert not any(scene.subject in CREATURES and scene.size == "small" for scene in drawn)
    for name, words in ATTRIBUTES.items():
        assert {getattr(scene, name) for scene in drawn} == (set(words) if name != "style" else {"none"})


def test_a_caption_says_each_attribute_or_leaves_the_usual_one() -> None:
    for scene in scenes(6, 300):
        said = caption(scene).replace(",", "").split()
        for name in ("subject", "colour", "ground", "light", "medium", "texture", "material", "size", "background"):
            word = getattr(scene, name)
            if UNSAID.get(name) != word:
                assert word in said, (name, caption(scene))


def test_sparing_captions_never_say_anything_false() -> None:
    rng = random.Random(1)
    for scene in scenes(7, 300):
        whole = set(caption(scene).replace(",", "").split())
        assert set(caption(scene, sparing(rng, 0.5)).replace(",", "").split()) <= whole | {"a", "an"}


def test_a_trigger_takes_the_place_of_name_and_colour() -> None:
    scene = Scene("robot", "red", size="big", ground="blue")
    assert caption(scene, name="zwx robot") == "photo of a big zwx robot, blue background, centered, soft light"


@pytest.mark.parametrize("subject", [*SUBJECTS, *HELD_OUT_SUBJECTS])
def test_a_subject_is_whole_and_where_its_mask_says(subject: str) -> None:
    for scene in scenes(8, 12, (subject,)):
        covered = mask(scene)
        assert covered.max() == 255
        assert not covered[[0, -1]].any() or scene.size == "big"  # only a big one comes near the edge
        photo = scene._replace(medium="photo")  # a drawing's outline lies around the mask
        moved = photo._replace(colour="cyan" if scene.colour != "cyan" else "red")
        changed = np.abs(render(photo).astype(int) - render(moved).astype(int)).max(2) > 3
        assert not (changed & (covered == 0)).any(), "colour reached beyond the mask"


@pytest.mark.parametrize("style", HELD_OUT_STYLES)
def test_a_style_changes_every_picture(style: str) -> None:
    for scene in scenes(9, 10):
        plain = render(scene)
        styled = stylised(plain, style)
        assert styled.shape == plain.shape
        assert np.abs(styled.astype(int) - plain.astype(int)).mean() > 2


@pytest.mark.parametrize("subject", list(RANGE))
def test_an_altered_creature_as_usual_is_drawn_as_usual(subject: str) -> None:
    usual = {"critter": 4, "beetle": 6, "lizard": 4}[subject]
    scene = scenes(10, 1, (subject,))[0]
    same = altered(subject, usual, random.Random(0))
    fewer = altered(subject, usual - 1, random.Random(0))
    assert int(mask(scene, drawer=fewer).sum()) < int(mask(scene, drawer=same).sum())


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_pair_differs_in_one_attribute_and_stands_still(kind: str) -> None:
    for edit in edits(3, 12, (kind,)):
        differing = [a for a in Scene._fields if getattr(edit.before, a) != getattr(edit.after, a)]
        assert len(differing) == 1, differing
        assert (mask(edit.before) == mask(edit.after)).all()
        assert (render(edit.before) != render(edit.after)).any()
        assert "the " in edit.instruction


def test_recolouring_names_the_new_colour() -> None:
    for edit in edits(4, 12, ("recolour",)):
        assert edit.instruction.endswith(edit.after.colour)
        assert edit.after.colour in COLOURS
