"""The other commands, and the boundary that turns trouble into sentences."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lora_doctor import __version__
from lora_doctor.rule import all_rules

from .configs import FINE, RULES
from .conftest import Call


def test_version_and_help(call: Call) -> None:
    assert call("--version") == (0, f"lora-doctor {__version__}\n", "")
    ran = call("--help")
    assert ran.code == 0
    for command in ("lint", "explain", "rules", "plan", "schema"):
        assert f"  {command} " in ran.out
    assert call("lint", "--help").out.startswith("Usage: lora-doctor lint")


def test_no_command_and_a_wrong_one(call: Call) -> None:
    assert call().code == 2
    ran = call("lnit")
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert "lnit" in ran.err


def test_explain(call: Call) -> None:
    ran = call("explain", "never-saves")
    assert ran.code == 0
    for part in (
        "never-saves\nNo save interval",
        "\nWhy\n  ",
        "\nInstead\n  ",
        "\nSources\n  - ",
        "\nFlagged (diffusion-pipe",
    ):
        assert part in ran.out
    assert max(map(len, ran.out.splitlines())) <= 120
    assert call("explain", "never_sav").out == ran.out
    assert call("explain", "neversaves").err == (
        "lora-doctor: `neversaves` is no rule, topic or level; did you mean `never-saves`?\n"
    )
    assert call("explain", "config").err == "lora-doctor: `config` is no rule; `lora-doctor rules` lists them all\n"


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.id)
def test_every_rule_can_be_explained(call: Call, rule: object) -> None:
    name = rule.id  # type: ignore[attr-defined]
    ran = call("explain", name)
    assert (ran.code, ran.err) == (0, "")
    for part in ("\nWhy\n  ", "\nInstead\n  ", "\nSources\n  - ", "\nFlagged (", "\nFine ("):
        assert part in ran.out


def test_rules(call: Call) -> None:
    listed = json.loads(call("rules", "--json").out)
    assert [rule["id"] for rule in listed] == [rule.id for rule in all_rules()]
    assert list(listed[0]) == ["id", "topic", "level", "evidence", "title", "trainers", "families", "since", "until"]
    table = call("rules", "--markdown").out.splitlines()
    assert len(table) == len(listed) + 2
    assert {line.replace("\\|", "").count("|") for line in table} == {6}
    assert "  never-saves " in call("rules").out


def test_a_fault_of_ours_is_one_sentence(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a.toml").write_text(FINE)
    monkeypatch.setattr("lora_doctor.cli.linting.lint_files", lambda jobs: 1 / 0)
    ran = call("lint", "a.toml")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "lora-doctor: internal error (ZeroDivisionError: division by zero); please report it\n"
    monkeypatch.setenv("LORA_DOCTOR_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        call("lint", "a.toml")


def test_a_dialect_that_fails_stops_no_other_file(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    from lora_doctor.dialects import diffusion_pipe

    Path("a.toml").write_text(FINE)
    Path("b.toml").write_text(FINE.replace("epochs = 10", "epochs = 11"))
    read = diffusion_pipe.read

    def failing(document: object, *args: object) -> object:
        if b"epochs = 11" in document.text:  # type: ignore[attr-defined]
            raise KeyError("x")
        return read(document, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(diffusion_pipe, "read", failing)
    ran = call("lint", RULES, "b.toml", "a.toml")
    assert ran.code == 2
    assert ran.out.startswith("1 file checked: nothing found")
    assert ran.err == "b.toml: reading this file failed (KeyError: 'x'); please report it\n"


def test_interrupted(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(jobs: object) -> object:
        raise KeyboardInterrupt

    Path("a.toml").write_text(FINE)
    monkeypatch.setattr("lora_doctor.cli.linting.lint_files", interrupt)
    ran = call("lint", "a.toml")
    assert (ran.code, ran.out, ran.err.strip()) == (130, "", "")
