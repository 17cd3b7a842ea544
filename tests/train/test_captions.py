"""Captions as they are trained."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from lora_doctor.train.captions import ORDERS, every_caption, shown_caption, variants, with_trigger
from lora_doctor.train.job import Captions, Data
from lora_doctor.train.sampler import Shown
from lora_doctor.train.written import written

words = st.text("abcdefgh ", min_size=1, max_size=8).map(str.strip).filter(bool)


def test_the_trigger_is_added_once() -> None:
    assert with_trigger("a red ring", "zwx") == "zwx, a red ring"
    assert with_trigger("a zwx ring", "zwx") == "a zwx ring"
    assert with_trigger("Zwx ring", "zwx") == "Zwx ring"  # another spelling is the linter's to tell
    assert with_trigger("a zwxy ring", "zwx") == "zwx, a zwxy ring"
    assert with_trigger("", "zwx") == "zwx"
    assert with_trigger("a ring", None) == "a ring"


@given(st.lists(words, max_size=8), st.integers(0, 4), st.booleans(), st.integers(0, 99))
def test_shuffling_keeps_every_tag_and_the_first_ones_in_place(
    tags: list[str], keep: int, trigger: bool, seed: int
) -> None:
    captions = Captions("zwx" if trigger else None, shuffle_tags=True, keep_tags=keep)
    found = variants(", ".join(tags), captions, seed)
    assert 1 <= len(found) <= ORDERS
    first = [tag.strip() for tag in found[0].split(",") if tag.strip()]
    assert first == (["zwx"] if trigger else []) + tags
    for each in found:
        now = [tag.strip() for tag in each.split(",") if tag.strip()]
        assert Counter(now) == Counter(first)
        assert now[: keep + trigger] == first[: keep + trigger]


def test_a_trigger_that_leads_is_never_shuffled_away() -> None:
    found = variants("zwx ring, a, b, c, d, e", Captions("zwx", shuffle_tags=True), 0)
    assert ORDERS // 2 < len(found) <= ORDERS
    assert all(each.startswith("zwx ring, ") for each in found)


def test_nothing_is_shuffled_unasked_and_regularisation_has_no_trigger() -> None:
    assert variants("b, a,c", Captions("zwx"), 0) == ("zwx, b, a,c",)
    assert variants("a ring", Captions("zwx"), 0, trigger=False) == ("a ring",)


def test_dropout_has_its_rate_and_depends_on_the_showing_alone() -> None:
    places = [Shown(item, epoch, turn) for item in range(100) for epoch in range(20) for turn in range(2)]
    drawn = [shown_caption(("x",), place, 0.1, 5) for place in places]
    assert drawn == [shown_caption(("x",), place, 0.1, 5) for place in places]
    assert 0.08 < drawn.count("") / len(drawn) < 0.12
    assert drawn != [shown_caption(("x",), place, 0.1, 6) for place in places]
    assert "" not in [shown_caption(("x",), place, 0.0, 5) for place in places]


def test_every_order_is_shown() -> None:
    found = variants("a, b, c, d", Captions(shuffle_tags=True), 0)
    drawn = Counter(shown_caption(found, Shown(3, epoch, 0), 0.0, 0) for epoch in range(400))
    assert set(drawn) == set(found)
    assert min(drawn.values()) > 400 / len(found) / 2


def test_every_caption_that_can_come_up_is_known_before() -> None:
    every = list(every_caption([("a", "b"), ("b", "c")]))
    assert every == ["", "a", "b", "c"]


def test_where_captions_are_read_from(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf a ring \n")
    (tmp_path / "b.txt").write_bytes(b"it\x92s a ring")
    files = Data(tmp_path, ("a.png", "b.png", "c.png"))
    assert [written(files, name) for name in files.names] == [
        ("a ring", "a.txt", "utf-8-sig"),
        ("it’s a ring", "b.txt", "unknown"),
        None,
    ]
    assert written(files._replace(captions="prompt", prompt="a ring"), "a.png") == ("a ring", "", "utf-8")
    assert written(files._replace(captions="filename"), "sub/red_ring.png") == ("red_ring", "", "utf-8")
    assert written(files._replace(caption_extension=".caption"), "a.png") is None
