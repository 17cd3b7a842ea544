"""Masks and pairs."""

from __future__ import annotations

import pytest

from .conftest import Examine

MASKS = """\
a.png: 96x96 photo
b.png: 96x96 photo
c.png: 96x96 photo
d.png: 96x96 photo
e.png: 96x96 photo
masks/a.png: 96x96 half
masks/b.png: 96x96 black
masks/c.png: 96x96 white
masks/d.png: 48x96 mid
masks/z.png: 96x96 half
"""


def test_masks(examine: Examine) -> None:
    found = examine(MASKS, masks="masks")
    assert [image.name for image in found.images] == ["a.png", "b.png", "c.png", "d.png", "e.png"]
    masks = found.masks
    assert masks is not None
    assert (masks.found, masks.without, masks.orphans) == (5, ("e.png",), ("z.png",))
    assert (masks.empty, masks.full, masks.grey, masks.of_other_size) == (
        ("b.png",),
        ("c.png",),
        ("d.png",),
        ("d.png",),
    )


@pytest.mark.parametrize("moved", [5, 12, -20])
def test_pairs_out_of_place(examine: Examine, moved: int) -> None:
    pairs = examine(f"a.png: 512x512 photo\nbefore/a.png: 512x512 like=a.png shift={moved}", control="before").pairs
    assert pairs is not None
    [shift] = pairs.shifted
    assert shift.x == pytest.approx(-moved, abs=0.5)
    assert shift.y == pytest.approx(0, abs=0.5)


@pytest.mark.parametrize("change", ["dark=0.5", "grain=12", "blur=2", "grey", "contrast=0.5", "through=20"])
def test_pairs_in_place(examine: Examine, change: str) -> None:
    pairs = examine(f"a.png: 512x512 photo\nbefore/a.png: 512x512 like=a.png {change}", control="before").pairs
    assert pairs is not None
    assert pairs.matched == 1
    assert not pairs.shifted


def test_unrelated_pairs_are_not_called_moved(examine: Examine) -> None:
    pairs = examine("a.png: 512x512 photo\nbefore/a.png: 512x512 noise", control="before").pairs
    assert pairs is not None
    assert not pairs.shifted
