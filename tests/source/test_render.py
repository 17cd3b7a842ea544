"""What is written reads back as the same values, in every syntax."""

from __future__ import annotations

import json
import math
import tomllib
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lora_doctor.source.read import read_text
from lora_doctor.source.render import Row, command, json_text, number, toml
from lora_doctor.source.render import yaml as render_yaml

NAMES = st.text(st.characters(categories=["L", "N"], include_characters="_-. \\'\"#:"), min_size=1, max_size=12)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
NUMBERS = st.one_of(st.integers(-(10**12), 10**12), st.floats(allow_nan=False, allow_infinity=False, width=64))
SCALARS = st.one_of(TEXTS, NUMBERS, st.booleans())
WINDOWS = ("C:\\data\\new images", "\\\\server\\share\\n1", "D:/a b/c", "it's #1: \\t")
TRICKY = (*WINDOWS, "one line\n", "~", "null", "1e-4", "0x1F", "")
TREES = st.recursive(
    st.one_of(SCALARS, st.lists(TEXTS, max_size=3), st.lists(st.integers(-9, 9), max_size=3)),
    lambda inner: st.one_of(
        st.dictionaries(NAMES, inner, min_size=1, max_size=3),
        st.lists(st.dictionaries(NAMES, inner, min_size=1, max_size=2), min_size=1, max_size=2),
    ),
    max_leaves=12,
)
ROOTS = st.dictionaries(NAMES, TREES, min_size=1, max_size=4)


def rows(tree: Any, path: tuple[str | int, ...] = ()) -> list[Row]:
    """Every plain value of a tree with its place."""
    if isinstance(tree, dict):
        return [row for key, item in tree.items() for row in rows(item, (*path, key))]
    if isinstance(tree, list) and tree and isinstance(tree[0], dict):
        return [row for number, item in enumerate(tree) for row in rows(item, (*path, number))]
    return [Row(path, tree, "a reason\nwith # and \"quotes\"")]


@given(ROOTS)
def test_toml(tree: dict[str, Any]) -> None:
    assert tomllib.loads(toml(rows(tree), "a head\nof two lines")) == tree


@given(ROOTS)
def test_yaml(tree: dict[str, Any]) -> None:
    assert yaml.safe_load(render_yaml(rows(tree), "a head")) == tree


@given(ROOTS)
def test_json(tree: dict[str, Any]) -> None:
    assert json.loads(json_text(rows(tree))) == tree


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_reader_takes_a_number_for_a_number(value: float) -> None:
    text = number(value)
    assert yaml.safe_load(text) == value
    assert tomllib.loads(f"x = {text}")["x"] == value
    assert math.isclose(float(text), value)


@pytest.mark.parametrize("name", ["x.sh", "x.ps1"])
@given(words=st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\x7f"),
                              min_size=1, max_size=20), min_size=1, max_size=4))  # fmt: skip
def test_commands(name: str, words: list[str]) -> None:
    made = command(["python", "train.py"], [Row(("first",), words), Row(("flag",), True), Row(("off",), False)],
                   "a head", powershell=name.endswith("ps1"))  # fmt: skip
    found = read_text(name, made.encode()).commands
    assert len(found) == 1
    assert [word.text for word in found[0].words] == ["python", "train.py", "--first", *words, "--flag"]


@pytest.mark.parametrize("text", TRICKY)
def test_tricky_forms(text: str) -> None:
    row = Row(("path",), text)
    assert tomllib.loads(toml([row])) == {"path": text}
    assert yaml.safe_load(render_yaml([row])) == {"path": text}
    for name in ("x.sh", "x.ps1"):
        made = command(["a"], [Row(("path",), text)], powershell=name.endswith("ps1"))
        assert [word.text for word in read_text(name, made.encode()).commands[0].words] == ["a", "--path", text]
