"""Fixes: what is written, what is not, and that nothing else changes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from lora_doctor import fixing
from lora_doctor.claims import changes_only_what_it_claims
from lora_doctor.finding import Finding, Fix, Place
from lora_doctor.result import File, Found, Options, Result
from lora_doctor.rule import all_rules
from lora_doctor.source.document import Document, Span
from lora_doctor.source.edit import Edit, apply
from lora_doctor.source.read import read_text

from .configs import FINE, MISSPELT, NEVER_SAVES, RULES
from .conftest import Call

BOTH = MISSPELT.replace("save_every_n_epochs = 1\n", "")
SAVED = NEVER_SAVES.replace(
    "checkpoint_every_n_minutes = 60\n", "checkpoint_every_n_minutes = 60\nsave_every_n_epochs = 1\n"
)


def test_fix_applies_safe_fixes_only(call: Call) -> None:
    Path("a.toml").write_text(BOTH)
    ran = call("lint", RULES, "--fix", "a.toml")
    fixed = Path("a.toml").read_text()
    assert sorted(fixed.splitlines()) == sorted([*BOTH.splitlines(), "save_every_n_epochs = 1"])
    assert ran.code == 1, "the misspelt key is still there"
    assert ran.out.splitlines()[-4] == "1 fix applied"
    assert "1 error in 1 file; 1 can be fixed with --unsafe-fixes" in ran.out


def test_unsafe_fixes_are_asked_for(call: Call) -> None:
    Path("a.toml").write_text(BOTH)
    assert call("lint", RULES, "--unsafe-fixes", "a.toml").code == 1
    assert Path("a.toml").read_text() == BOTH, "without --fix nothing is written"
    ran = call("lint", RULES, "--fix", "--unsafe-fixes", "a.toml")
    assert ran.code == 0
    assert "2 fixes applied" in ran.out
    assert "warmup_steps = 20" in Path("a.toml").read_text()


@pytest.mark.parametrize("fix", [[], ["--diff"], ["--diff", "--unsafe-fixes"], ["--diff", "--fix"]])
def test_nothing_is_written_unasked(call: Call, fix: list[str]) -> None:
    Path("a.toml").write_text(BOTH)
    before = os.stat("a.toml")
    assert call("lint", RULES, *fix, "a.toml").code == 1
    assert os.listdir() == ["a.toml"]
    after = os.stat("a.toml")
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)


def test_diff(call: Call) -> None:
    Path("a.toml").write_text(NEVER_SAVES)
    Path("b.toml").write_text(FINE)
    ran = call("lint", RULES, "--diff", "a.toml", "b.toml")
    assert ran.code == 1
    assert ran.out == (
        "--- a.toml\n+++ a.toml\n@@ -2,6 +2,7 @@\n"
        ' dataset = "dataset.toml"\n epochs = 10\n checkpoint_every_n_minutes = 60\n+save_every_n_epochs = 1\n'
        ' [model]\n type = "sdxl"\n checkpoint_path = "stabilityai/stable-diffusion-xl-base-1.0"\n'
    )
    assert call("lint", RULES, "--diff", "b.toml") == (0, "", "")


def test_line_breaks_mode_and_byte_order_mark_stay(call: Call) -> None:
    path = Path("a.toml")
    path.write_bytes(b"\xef\xbb\xbf" + NEVER_SAVES.replace("\n", "\r\n").encode())
    path.chmod(0o640)
    assert call("lint", RULES, "--fix", "a.toml").code == 0
    assert path.read_bytes() == b"\xef\xbb\xbf" + SAVED.replace("\n", "\r\n").encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_link_stays_and_its_target_is_rewritten(call: Call) -> None:
    Path("real").mkdir()
    Path("real/a.toml").write_text(NEVER_SAVES)
    Path("link.toml").symlink_to("real/a.toml")
    assert call("lint", RULES, "--fix", "link.toml").code == 0
    assert Path("link.toml").is_symlink()
    assert Path("real/a.toml").read_text() == SAVED


def test_a_read_only_file_is_told_of(call: Call) -> None:
    Path("a.toml").write_text(NEVER_SAVES)
    Path("a.toml").chmod(0o444)
    Path("b.toml").write_text(NEVER_SAVES)
    ran = call("lint", RULES, "--fix", "a.toml", "b.toml")
    assert ran.code == 2
    assert ran.err == "a.toml: is read-only, so it is not written\n"
    assert Path("a.toml").read_text() == NEVER_SAVES
    assert Path("b.toml").read_text() == SAVED


def test_a_file_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("b = 2\n")
    (problem,) = fixing.write_changes([fixing.Change(str(path), str(path), b"a = 1\n", b"a = 2\n")])
    assert problem.sentence.startswith("was changed by somebody else meanwhile")
    assert path.read_text() == "b = 2\n"


def test_a_fix_in_a_file_that_was_followed(call: Call) -> None:
    Path("dataset.toml").write_text('resolutions = [1024]\nenable_ar_bucketz = true\n[[directory]]\npath = "images"\n')
    Path("a.toml").write_text(FINE)
    Path("b.toml").write_text(FINE)
    ran = call("lint", RULES, "--fix", "--unsafe-fixes", "a.toml", "b.toml")
    assert "1 fix applied" in ran.out
    assert "enable_ar_bucket = true" in Path("dataset.toml").read_text()
    assert (Path("a.toml").read_text(), Path("b.toml").read_text()) == (FINE, FINE)


def test_standard_input_is_fixed_on_standard_output(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.write_text(NEVER_SAVES)
    for args, code, out in ((["--fix"], 0, SAVED), (["--fix", "--select=misspelt-key"], 0, NEVER_SAVES)):
        with source.open() as stdin:
            monkeypatch.setattr("sys.stdin", stdin)
            ran = call("lint", *([] if len(args) > 1 else [RULES]), *args, "--stdin-filename=a.toml", "-")
        assert (ran.code, ran.out) == (code, out)
        assert "checked: nothing found" in ran.err
    assert os.listdir() == ["source"]


def found(document: Document, *edits: tuple[int, int, str], safe: bool = True) -> Found:
    mending = Fix(f"mend with {edits[0][2]}", document, tuple(Edit(Span(a, b), text) for a, b, text in edits), safe)
    place = Place(document, Span(edits[0][0], edits[0][1]))
    return Found(all_rules()[0], Finding(place, "it is broken", fix=mending), "diffusion-pipe")


def passes(monkeypatch: pytest.MonkeyPatch, path: Path, *rounds: list[tuple[int, int, str]]) -> fixing.Fixed:
    """Fix a file whose findings are, pass after pass, single edits given here."""
    left = list(rounds)

    def examine(path: Path, options: Options) -> Result:
        text = options.texts.get(os.path.realpath(path), path.read_bytes())
        document = read_text(str(path), text)
        edits = left.pop(0) if left else []
        return Result(found=tuple(found(document, edit) for edit in edits), files=(_file(document),))

    monkeypatch.setattr(fixing, "examine", examine)
    return fixing.fix_files([(path, Options())], unsafe=False)


def _file(document: Document) -> File:
    return File(document, "diffusion-pipe", "training")


def test_conflicting_fixes_wait_for_the_next_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.toml"
    path.write_text("a = 1\nb = 2\n")
    done = passes(monkeypatch, path, [(4, 5, "3"), (4, 5, "4"), (10, 11, "5")], [(4, 5, "6")], [])
    assert done.applied == 3
    assert done.changes[0].after == b"a = 6\nb = 5\n"


def test_two_insertions_at_one_place_conflict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.toml"
    path.write_text("a = 1\n")
    done = passes(monkeypatch, path, [(5, 5, "\nb = 1"), (5, 5, "\nb = 2")], [])
    assert done.changes[0].after == b"a = 1\nb = 1\n"


def test_fixes_that_undo_each_other_come_to_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.toml"
    path.write_text("a = 1\n")
    rounds = [[(4, 5, str(2 - i % 2))] for i in range(40)]
    assert passes(monkeypatch, path, *rounds).applied == fixing.MAX_PASSES


def test_a_fix_that_mends_nothing_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.toml"
    path.write_text("a = 1\nb = 2\n")
    again = [(5, 5, " # again")]
    done = passes(monkeypatch, path, again, again, again, again)
    assert (done.changes, done.applied, done.left_out) == ((), 0, 1)


def test_a_fix_that_changes_more_than_it_claims_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.toml"
    path.write_text("a = 1\nb = 2\n")
    done = passes(monkeypatch, path, [(4, 5, '"""'), (10, 11, "5")], [])
    assert (done.applied, done.left_out) == (1, 1)
    assert done.changes[0].after == b"a = 1\nb = 5\n"


@pytest.mark.parametrize(
    "name, before, edits, good",
    [
        ("a.toml", "a = 1\nb = 2\n", [(4, 5, "3")], True),
        ("a.toml", "a = 1\nb = 2\n", [(0, 6, "")], True),
        ("a.toml", "a = 1\nb = 2\n", [(5, 5, "\nc = 3")], True),
        ("a.toml", "a = 1\nb = 2\n", [(0, 1, "c")], True),
        ("a.toml", "a = 1\nb = 2\n", [(0, 1, "b")], False),
        ("a.toml", "a = 1\nb = 2\n", [(5, 5, "\n[c]")], False),
        ("a.toml", "a = [1, 2]\nb = 2\n", [(4, 10, "[1, 2, 3]")], True),
        ("a.toml", "[t]\na = 1\nb = 2\n", [(1, 2, "u")], True),
        ("a.yaml", "a: 1\nb: 2\n", [(3, 4, "3")], True),
        ("a.yaml", "a: 1\nb: 2\n", [(3, 4, "[")], False),
        ("a.yaml", "a: 1\nb: 2\n", [(0, 1, "b")], False),
        ("a.yaml", "a: &x 1\nb: *x\n", [(6, 7, "2")], False),
        ("a.yaml", "a: &x 1\nb: *x\n", [(10, 12, "2")], False),
        ("a.json", '{"a": 1, "b": 2}', [(6, 7, "3")], True),
        ("a.json", '{"a": 1, "b": 2}', [(1, 4, '"b"')], False),
        ("a.json", '{"a": 1, "b": 2}', [(15, 15, ', "c": 3')], True),
        ("a.sh", "python t.py --a 1 --b 2\n", [(16, 17, "3")], True),
        ("a.sh", "python t.py --a 1 --b 2\n", [(16, 17, "'")], False),
        ("a.sh", "python t.py --a 1 --b 2\n", [(16, 17, "3 #")], False),
        ("a.sh", "python t.py --a 1 --b 2\n", [(16, 17, "3;")], False),
        ("a.sh", "A=1\npython t.py --a $A --b 2\n", [(2, 3, "2")], True),
        ("a.sh", "python t.py --a 1 --b 2\n", [(23, 23, " --c 3")], True),
    ],
)
def test_claims(name: str, before: str, edits: list[tuple[int, int, str]], good: bool) -> None:
    made = [Edit(Span(a, b), text) for a, b, text in edits]
    document = read_text(name, before.encode())
    after = apply(document.text, made)
    assert changes_only_what_it_claims(document, made, after) is good
