"""Copies are found whatever was done to them, and different pictures are left alone."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import Examine

CHANGES = {
    "near": ["like=a.png quality=30", "like=a.png dark=0.7", "like=a.png contrast=0.6", "like=a.png grain=9"],
    "mirrored": ["mirror=a.png"],
    "cropped": ["crop=a.png"],
}


@pytest.mark.parametrize(("how", "change"), [(how, change) for how, all_ in CHANGES.items() for change in all_])
def test_found(examine: Examine, how: str, change: str) -> None:
    found = examine(f"a.png: 500x500 photo\nb.jpg: 400x400 {change}\nc.png: 500x500 photo")
    assert [(group.names, group.how) for group in found.copies] == [(("a.png", "b.jpg"), how)]


def test_the_same_file_and_the_same_pixels(examine: Examine, folder: Path) -> None:
    examine("a.png: 200x200 photo\nb.png: 200x200 like=a.png\nc.png: 200x200 photo\nd.bmp: 200x200 like=c.png")
    (folder / "b.png").write_bytes((folder / "a.png").read_bytes())
    groups = {group.names: group.how for group in examine("").copies}
    assert groups == {("a.png", "b.png"): "identical", ("c.png", "d.bmp"): "pixels"}


def test_different_pictures_are_left_alone(examine: Examine) -> None:
    assert not examine("\n".join(f"{i}.png: 300x300 photo" for i in range(60))).copies


def test_plain_pictures_are_not_copies_of_one_another(examine: Examine) -> None:
    assert not examine("a.png: 300x300 flat\nb.png: 310x300 flat\nc.png: 300x310 white").copies


@settings(max_examples=20, deadline=None)
@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=6))
def test_turned_fingerprints_are_those_of_turned_pictures(hashes: list[bytes]) -> None:
    """Mirroring twice, and transposing twice, gives the fingerprint back."""
    np = pytest.importorskip("numpy")
    from lora_doctor.dataset.copies import turned

    words = np.frombuffer(b"".join(hashes), np.uint64).reshape(-1, 4)
    for number in (0, 1, 2, 3, 4):
        assert (turned(turned(words)[number])[number] == words).all()


def test_the_order_of_names_changes_no_group(examine: Examine, folder: Path) -> None:
    examine(
        "a.png: 300x300 photo\nb.jpg: 300x300 like=a.png quality=40\nc.jpg: 240x240 crop=a.png\nd.png: 300x300 photo"
    )
    first = {frozenset(group.names) for group in examine("").copies}
    names = [path.name for path in folder.iterdir()]
    others = random.Random(1).sample(names, len(names))
    for name, other in zip(names, others):
        (folder / name).rename(folder / f"new-{other}")
    renamed = {frozenset(group.names) for group in examine("").copies}
    back = {f"new-{other}": name for name, other in zip(names, others)}
    assert {frozenset(back[name] for name in group) for group in renamed} == first
