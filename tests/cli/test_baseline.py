"""A baseline knows a finding by its file, rule, key and value: it does not drift, and goes stale audibly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .configs import FINE, MISSPELT, NEVER_SAVES, RULES, SECRET, WITH_SECRET
from .conftest import Call


def write_baseline(call: Call, *paths: str) -> None:
    assert call("lint", RULES, "--baseline=known.json", "--write-baseline", *paths).code == 0


def test_known_findings_are_left_out_wherever_they_move(call: Call) -> None:
    Path("a.toml").write_text(MISSPELT)
    ran = call("lint", RULES, "--baseline=known.json", "--write-baseline", "a.toml")
    assert (ran.code, ran.out, ran.err) == (0, "", "known.json: 1 finding written\n")
    Path("a.toml").write_text("\n\n# a comment\n" + MISSPELT.replace("warmup_stepz = 20", "warmup_stepz    = 20"))
    ran = call("lint", RULES, "--baseline=known.json", "a.toml")
    assert ran.code == 0
    assert ran.out.startswith("1 file checked: nothing found (1 in the baseline)\n")
    assert ran.err == ""


@pytest.mark.parametrize(
    "change", [("warmup_stepz = 20", "warmup_stepz = 21"), ("warmup_stepz", "warmup_stepsz")], ids=["value", "key"]
)
def test_another_value_or_key_is_another_finding(call: Call, change: tuple[str, str]) -> None:
    Path("a.toml").write_text(MISSPELT)
    write_baseline(call, "a.toml")
    Path("a.toml").write_text(MISSPELT.replace(*change))
    ran = call("lint", RULES, "--baseline=known.json", "a.toml")
    assert ran.code == 1
    assert ran.err == "known.json: 1 finding in it is no longer made; --write-baseline brings it up to date\n"


def test_each_finding_is_known_once(call: Call) -> None:
    Path("a.toml").write_text(MISSPELT)
    write_baseline(call, "a.toml")
    Path("b.toml").write_text(MISSPELT)
    assert call("lint", RULES, "--baseline=known.json", "a.toml", "b.toml").code == 1


def test_it_holds_from_every_folder(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("sub").mkdir()
    Path("sub/a.toml").write_text(MISSPELT)
    write_baseline(call, "sub")
    assert list(json.loads(Path("known.json").read_text())["findings"]) == ["sub/a.toml"]
    monkeypatch.chdir("sub")
    assert call("lint", RULES, "--baseline=../known.json", "a.toml").code == 0


def test_rewriting_keeps_what_was_not_looked_at_and_forgets_what_is_gone(call: Call) -> None:
    for name in ("a", "b", "c"):
        Path(f"{name}.toml").write_text(MISSPELT)
    write_baseline(call, "a.toml", "b.toml", "c.toml")
    Path("a.toml").write_text(FINE)
    Path("c.toml").unlink()
    assert call("lint", RULES, "--baseline=known.json", "a.toml").err.startswith(
        "known.json: 2 findings in it are no longer"
    )
    write_baseline(call, "a.toml")
    assert list(json.loads(Path("known.json").read_text())["findings"]) == ["b.toml"]


def test_no_secret_goes_into_it(call: Call) -> None:
    Path("a.toml").write_text(WITH_SECRET + f'wandb_tokenz = "{SECRET}"\n')
    call("lint", "--baseline=known.json", "--write-baseline", "a.toml")
    assert "secret-in-config" in Path("known.json").read_text()
    assert SECRET not in Path("known.json").read_text()


def test_known_findings_are_not_fixed(call: Call) -> None:
    Path("a.toml").write_text(NEVER_SAVES)
    write_baseline(call, "a.toml")
    assert call("lint", RULES, "--baseline=known.json", "--fix", "a.toml").code == 0
    assert Path("a.toml").read_text() == NEVER_SAVES


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"version": 1}', '{"version": 1, "findings": {"a": [1]}}', "\0"], ids=range(6)
)
def test_what_is_no_baseline_is_refused(call: Call, text: str) -> None:
    Path("a.toml").write_text(FINE)
    Path("known.json").write_text(text)
    ran = call("lint", RULES, "--baseline=known.json", "a.toml")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "lora-doctor: known.json: is no baseline of lora-doctor; write one with --write-baseline\n"
    Path("known.json").write_text('{"version": 9, "findings": {}}')
    assert "version 9" in call("lint", RULES, "--baseline=known.json", "a.toml").err
