"""Folders as users have them, examined by the real command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from lora_doctor.lab.world.defects import DEFECTS
from lora_doctor.lab.world.folders import Asked, Written, planned, write_folder, write_masks, write_pairs
from lora_doctor.lab.world.pairs import edits
from tests.end_to_end.process import call

FIRST = (
    *("blurred", "dark", "blown-out", "noisy", "barred", "upscaled", "jpeg"),
    *("near-copy", "mirrored-copy", "misnamed", "truncated"),
)
SECOND = (
    *("tiny", "turned", "foggy", "no-caption", "empty-caption", "file-name-caption"),
    *("marked-caption", "latin-1-caption", "triggerless-caption", "orphan-caption"),
)


def _findings(folder: Path, *more: str) -> dict[str, str]:
    """What the exam says, by rule, as text."""
    flags = ("--trigger", "zwx", "--resolution", "512", "--json", "--workers", "1", "--no-cache")
    done = call("dataset", folder, *flags, *more, cwd=folder)
    assert done.returncode in (0, 1), done.stderr
    return {each["rule"]: json.dumps(each) for each in json.loads(done.stdout)["findings"]}


def _missed(written: list[Written], found: dict[str, str]) -> list[str]:
    return [
        each.defect
        for each in written
        if each.defect is not None and Path(each.name).stem not in found.get(DEFECTS[each.defect].rule, "")
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("defects", "subject"), [(FIRST, "fish"), (SECOND, "mushroom")])
def test_the_exam_finds_every_defect(tmp_path: Path, defects: tuple[str, ...], subject: str) -> None:
    written = write_folder(tmp_path, Asked(subject, number=len(defects) + 3), defects)
    found = _findings(tmp_path, "--trainer", "musubi-tuner")
    assert not _missed(written, found)


def test_an_exact_copy_is_found(tmp_path: Path) -> None:
    written = write_folder(tmp_path, Asked("robot", number=1), ("copy",))
    assert not _missed(written, _findings(tmp_path))


def test_every_defect_is_tried() -> None:
    assert {*FIRST, *SECOND, "copy"} == set(DEFECTS)


def test_a_clean_folder_has_no_broken_picture_or_caption(tmp_path: Path) -> None:
    write_folder(tmp_path, Asked("lizard", number=6))
    found = _findings(tmp_path)
    spoken = {defect.rule for defect in DEFECTS.values()} - {"near-duplicates", "flat-contrast", "blurred-images"}
    assert not spoken & set(found)


def test_a_folder_is_the_same_for_a_seed_and_another_for_another(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_folder(tmp_path / name, Asked("cottage", number=2, seed=seed, edge=96))
    one, same, other = ((tmp_path / name / "cottage-01.png").read_bytes() for name in ("a", "b", "c"))
    assert one == same != other


def test_captions_name_the_trigger_and_the_style_is_never_said(tmp_path: Path) -> None:
    for asked in (Asked("robot", number=2, edge=64), Asked("neon", number=2, edge=64)):
        for each in write_folder(tmp_path / asked.what, asked):
            assert "zwx" in each.caption
            assert "neon" not in each.caption
            text = (tmp_path / asked.what / each.name).with_suffix(".txt").read_text()
            assert text == each.caption + "\n"
    alike = write_folder(tmp_path / "alike", Asked("robot", number=3, edge=64, alike=True))
    assert {each.caption for each in alike} == {"photo of a zwx robot"}


def test_pictures_can_be_of_one_ground_or_of_one_place() -> None:
    ground = planned(Asked("robot", number=6, pictures="ground"))
    assert {(scene.ground, scene.background) for scene in ground} == {("white", "plain")}
    assert len({scene.position for scene in ground}) > 1
    logo = planned(Asked("robot", number=6, pictures="logo"))
    assert len({scene._replace(seed=0) for scene in logo}) == 1 < len({scene.seed for scene in logo})


def test_more_defects_than_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2 defects for 1 pictures"):
        write_folder(tmp_path, Asked("fish", number=1), ("dark", "jpeg"))


def test_masks_lie_on_their_pictures(tmp_path: Path) -> None:
    asked = Asked("rocket", number=2, edge=128)
    write_folder(tmp_path / "images", asked)
    write_masks(tmp_path / "masks", asked)
    assert len(planned(asked)) == 2
    for picture in (tmp_path / "images").glob("*.png"):
        with Image.open(tmp_path / "masks" / picture.name) as covered, Image.open(picture) as drawn:
            assert covered.size == drawn.size
            assert covered.getextrema() == (0, 255)


def test_pairs_are_accepted_as_pairs(tmp_path: Path) -> None:
    write_pairs(tmp_path, edits(2, 3), edge=256)
    found = _findings(tmp_path / "target", "--control", str(tmp_path / "control"), "--purpose", "edit")
    assert not {rule for rule in found if rule.startswith("pairs-")} - {"pairs-without-a-change"}
