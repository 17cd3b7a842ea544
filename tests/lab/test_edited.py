"""The measure of learned edits: the world's own pictures get full marks, pictures before the edit none."""

from __future__ import annotations

from pathlib import Path

import pytest

from lora_doctor.lab.edited import changed, main, readable, score
from lora_doctor.lab.world.pairs import KINDS, edits
from lora_doctor.lab.world.render import render
from lora_doctor.lab.world.vocabulary import PIXELS
from lora_doctor.lint import examine_document
from lora_doctor.result import Options
from lora_doctor.settle import settle
from lora_doctor.source.read import read_file

ATTRIBUTE = {"recolour": "colour", "shine": "material", "pattern": "texture", "background": "ground"}


@pytest.mark.parametrize("kind", KINDS)
def test_an_edit_changes_one_attribute(kind: str) -> None:
    for edit in edits(3, 20, [kind]):
        assert changed(edit) == {ATTRIBUTE.get(kind, kind)}


def test_the_world_has_full_marks_and_no_edit_none() -> None:
    wanted = edits(5, 24, ["background"])
    true = score(wanted, [render(edit.after, PIXELS) for edit in wanted])
    assert true.changed == 1
    assert true.kept > 0.95
    none = score(wanted, [render(edit.before, PIXELS) for edit in wanted])
    assert none.changed == 0
    assert none.kept > 0.95
    assert none.whole == 0
    other = score(wanted, [render(edit.after, PIXELS) for edit in [*wanted[1:], *wanted[:1]]])
    assert other.kept < 0.6, "another picture's attributes are not these"


def test_of_readable_pairs_the_world_gets_every_one_right() -> None:
    wanted = edits(5, 12, ["background"])
    found = readable(wanted)
    assert {*found} < {*wanted}
    assert score(found, [render(edit.after, PIXELS) for edit in found]).whole == 1


def test_the_config_beside_the_pairs_is_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["edited", "pairs", str(tmp_path), "--number", "8", "--steps", "50"])
    main()
    found = settle(examine_document(read_file(tmp_path / "run.toml"), Options())).found
    told = {each.rule.id: each.level for each in found}
    assert "error" not in told.values()
    assert not {"same-caption-again", "details-not-described", "word-in-every-caption"} & set(told)
