"""Which images are held out."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_doctor.dataset.described import write_described
from lora_doctor.train.images import Picture, read_pictures
from lora_doctor.train.split import FEWEST, split

from .test_images import folder, job_of  # noqa: F401 (a fixture)


def _pictures(groups: list[int], regularisation: int = 0) -> list[Picture]:
    def digest(number: int) -> bytes:
        return hashlib.sha256(str(number).encode()).digest()

    usual = [Picture(Path(f"{i}.png"), (64, 64), digest(i), digest(-group), ("",), 0) for i, group in enumerate(groups)]
    more = [
        Picture(Path(f"r{i}.png"), (64, 64), digest(10_000 + i), digest(10_000 + i), ("",), 0, regularisation=True)
        for i in range(regularisation)
    ]
    return usual + more


@given(st.lists(st.integers(1, 12), max_size=60), st.one_of(st.floats(0, 0.99), st.integers(0, 80)), st.integers(0, 3))
def test_copies_stay_on_one_side_and_something_is_left(groups: list[int], held_out: float, others: int) -> None:
    pictures = _pictures(groups, others)
    found = split(pictures, held_out)
    assert {*found.train} | {*found.held_out} == {*pictures}
    assert not {p.group for p in found.train} & {p.group for p in found.held_out}
    assert not any(picture.regularisation for picture in found.held_out)
    if groups:
        assert any(not picture.regularisation for picture in found.train)
    if held_out >= 1:
        assert len(found.held_out) <= held_out
    assert split(list(reversed(pictures)), held_out).held_out == tuple(reversed(found.held_out))


@pytest.mark.parametrize(
    ("count", "held_out", "expected"),
    [
        (5, 0.1, 0), (6, 0.1, 2), (20, 0.1, 2), (40, 0.1, 4), (200, 0.15, 30), (5000, 0.1, 64), (5, 1, 1), (5, 9, 4),
        (1, 1, 0), (40, 0, 0),
    ],
)  # fmt: skip
def test_how_many(count: int, held_out: float, expected: int) -> None:
    found = split(_pictures(list(range(1, count + 1))), held_out)
    assert len(found.held_out) == expected
    assert len(found.train) == count - expected
    if expected:
        assert f"{expected} of {count} images are held out" in found.sentence


def test_sentences() -> None:
    assert "as asked" in split(_pictures([1, 2, 3]), 0).sentence
    assert f"only {FEWEST - 1}" in split(_pictures([1, 2, 3, 4, 5]), 0.1).sentence
    assert "copies of one picture" in split(_pictures([1] * 9), 0.1).sentence


def test_one_more_image_does_not_shuffle_the_split() -> None:
    before = split(_pictures(list(range(1, 41))), 4)
    after = split(_pictures(list(range(1, 42))), 4)
    assert len({*before.held_out} & {*after.held_out}) >= 3


def test_files_that_show_one_picture(folder: Path) -> None:  # noqa: F811
    lines = [f"{i}.png: 96x96 photo" for i in range(8)]
    write_described(
        "\n".join([*lines, "m.png: 96x96 mirror=0.png", "n.jpg: 96x96 like=1.png", "s/2.png: 9x9 flat"]), folder
    )
    (folder / "s" / "2.png").write_bytes((folder / "2.png").read_bytes())
    names = tuple(sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*")))
    other = folder.parent / "other"
    other.mkdir()
    (other / "again.png").write_bytes((folder / "3.png").read_bytes())
    job = job_of(other)
    job = job._replace(data=(job.data[0]._replace(folder=folder, names=names), job.data[0]))
    group = {picture.path.name: picture.group for picture in read_pictures(job).pictures}
    twice = [picture for picture in read_pictures(job).pictures if picture.path.name == "2.png"]
    assert group["m.png"] == group["0.png"]
    assert group["n.jpg"] == group["1.png"]
    assert group["again.png"] == group["3.png"]
    assert len({picture.group for picture in twice}) == 1
    assert len(set(group.values())) == 8
