"""Exit codes, what goes to which stream, and which files are looked at."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from .configs import DATASET, FINE, FULL, MISSPELT, NEVER_SAVES, NO_CHECKPOINTS, RULES, SECRET, WITH_SECRET
from .conftest import Call


def write(**files: str) -> None:
    """`write(a=FINE)` writes `a.toml` in the current folder."""
    for name, text in files.items():
        Path(f"{name}.toml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    "text, code",
    [(FINE, 0), (NO_CHECKPOINTS, 0), (FULL, 1), (NEVER_SAVES, 1), ("[model\n", 2)],
    ids=["fine", "note", "warning", "error", "broken"],
)
def test_exit_code(call: Call, text: str, code: int) -> None:
    write(a=text)
    assert call("lint", RULES, "a.toml").code == code


def test_text_shows_place_source_help_fix_and_summary(call: Call) -> None:
    write(a=MISSPELT, b=NEVER_SAVES)
    ran = call("lint", RULES, "a.toml", "b.toml")
    lines = ran.out.splitlines()
    assert lines[0].startswith("a.toml:6:1: error[misspelt-key] diffusion-pipe has no key `warmup_stepz`")
    assert lines[1:4] == ["  |", "6 | warmup_stepz = 20", "  | ^^^^^^^^^^^^"]
    assert lines[4] == "  = help: did you mean `warmup_steps`?"
    assert lines[5].endswith("(--fix --unsafe-fixes)")
    assert "2 errors in 2 files; 1 can be fixed with --fix, 1 more with --unsafe-fixes" in lines
    assert ran.err == ""


def test_clean_says_what_was_looked_at_and_what_was_not(call: Call) -> None:
    write(a=FINE.replace("stabilityai/stable-diffusion-xl-base-1.0", "/models/sdxl.safetensors"))
    ran = call("lint", RULES, "a.toml")
    assert ran.out == (
        "1 file checked: nothing found\n"
        "not on this machine, so not looked into: dataset.toml, /models/sdxl.safetensors\n"
    )


def test_a_broken_file_stops_no_other(call: Call) -> None:
    write(a="[model\n", b=NEVER_SAVES)
    ran = call("lint", RULES, "--format=concise", "a.toml", "b.toml", "gone.toml")
    assert ran.code == 2
    assert "b.toml:1:1: error[never-saves]" in ran.out
    assert len(ran.err.splitlines()) == 2
    assert ran.err.splitlines()[0].startswith("a.toml:1:7: not valid TOML: ")
    assert ran.err.splitlines()[1] == "gone.toml: can't be read: no such file or directory"


def test_a_named_file_of_no_trainer_is_refused_with_the_trainers(call: Call) -> None:
    write(a='[project]\nname = "x"\n')
    ran = call("lint", "a.toml")
    assert ran.code == 2
    assert ran.err.startswith("a.toml: is no config of a trainer lora-doctor knows (")
    assert "diffusion-pipe" in ran.err
    assert call("lint", "--skip-unrecognised", "a.toml").code == 0


def test_files_nobody_named_may_be_strange(call: Call) -> None:
    Path("chart.yaml").write_text("a: {{ .Values.x }}\n- b\n")
    write(broken='[model]\ntype = "sdxl"\nlr = 1e-4,\noptimizer = "adamw"\n', pyproject='[project]\nname = "x"\n')
    ran = call("lint", "--skip-unrecognised", "chart.yaml", "broken.toml", "pyproject.toml")
    assert ran.err.startswith("broken.toml:3:10: not valid TOML"), "a broken training config is told of all the same"
    assert len(ran.err.splitlines()) == 1
    assert ran.code == 2


def test_trainer_overrules_recognition(call: Call) -> None:
    write(a="epochs = 1\n")
    assert call("lint", "a.toml").code == 2
    assert "error[never-saves]" in call("lint", RULES, "--trainer=diffusion-pipe", "a.toml").out
    assert call("lint", "--trainer=difusion-pipe", "a.toml").err.endswith("did you mean `diffusion-pipe`?\n")


def test_what_two_files_lead_to_is_reported_once(call: Call, tmp_path: Path) -> None:
    write(a=FINE, b=FINE, dataset=DATASET)
    ran = call("lint", RULES, "--format=concise", "a.toml", tmp_path / "b.toml", "dataset.toml")
    assert ran.out.count("misspelt-key") == 1
    assert "1 error in 1 file" in ran.out


def test_json(call: Call) -> None:
    write(a=MISSPELT)
    data = json.loads(call("lint", RULES, "--format=json", "a.toml").out)
    assert list(data) == ["version", "files", "findings", "summary"]
    assert data["version"] == 1
    assert data["files"] == [{"file": "a.toml", "trainer": "diffusion-pipe", "kind": "training"}]
    assert data["summary"] == {"error": 1, "warning": 0, "note": 0}
    (finding,) = data["findings"]
    assert finding.pop("message").startswith("diffusion-pipe has no key `warmup_stepz`")
    assert finding.pop("fix") == {
        "safe": False,
        "description": "call `warmup_stepz` `warmup_steps`",
        "edits": [
            {
                "file": "a.toml",
                "start_line": 6,
                "start_column": 1,
                "end_line": 6,
                "end_column": 13,
                "text": "warmup_steps",
            }
        ],
    }
    assert finding == {
        "rule": "misspelt-key",
        "topic": "config",
        "level": "error",
        "evidence": "source",
        "file": "a.toml",
        "line": 6,
        "column": 1,
        "end_line": 6,
        "end_column": 13,
        "key": "warmup_stepz",
        "trainer": "diffusion-pipe",
    }


def test_columns_count_characters_and_no_byte_order_mark(call: Call) -> None:
    Path("a.toml").write_bytes(b"\xef\xbb\xbf" + NEVER_SAVES.encode())
    Path("b.toml").write_text(MISSPELT.replace("warmup_stepz = 20", 'warmup_stepz = "日本" # 😀'), encoding="utf-8")
    findings = json.loads(call("lint", RULES, "--format=json", "a.toml", "b.toml").out)["findings"]
    assert [(f["column"], f["end_column"]) for f in findings] == [(1, 11), (1, 13)]


def test_output_is_written_whole_and_without_colours(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    write(a=MISSPELT)
    monkeypatch.setenv("FORCE_COLOR", "1")
    ran = call("lint", RULES, "a.toml", "--output", "report.txt")
    assert (ran.code, ran.out, ran.err) == (1, "", "")
    assert Path("report.txt").read_text().startswith("a.toml:6:1: error[misspelt-key]")
    assert sorted(os.listdir()) == ["a.toml", "report.txt"]
    assert call("lint", RULES, "a.toml", "--output", "no/report.txt").err == (
        "lora-doctor: can't be written: no such file or directory\n"
    )


def test_output_into_a_pipe_or_a_device_is_written_to_it(call: Call) -> None:
    write(a=MISSPELT)
    os.mkfifo("pipe")
    reader = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
    assert call("lint", RULES, "a.toml", "--output", "pipe").code == 1
    assert os.read(reader, 99).startswith(b"a.toml:6:1: error")
    os.close(reader)
    assert stat.S_ISFIFO(os.stat("pipe").st_mode)


@pytest.mark.parametrize(
    "environment, coloured",
    [({}, False), ({"FORCE_COLOR": "1"}, True), ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False)],
)
def test_colours(call: Call, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], coloured: bool) -> None:
    write(a=MISSPELT)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert ("\x1b[1;31merror[misspelt-key]\x1b[0m" in call("lint", RULES, "a.toml").out) is coloured


def test_no_form_prints_a_secret(call: Call) -> None:
    write(a=WITH_SECRET + f'# token: {SECRET}\nwandb_tokenz = "{SECRET}"\n')
    for form in ("text", "concise", "json", "sarif", "github"):
        ran = call("lint", f"--format={form}", "a.toml")
        assert "secret-in-config" in ran.out
        assert SECRET not in ran.out + ran.err
    assert SECRET not in call("lint", "--ignore=secret-in-config", "a.toml").out
    assert SECRET not in call("lint", "--diff", "--unsafe-fixes", "a.toml").out


def test_statistics(call: Call) -> None:
    write(a=MISSPELT.replace("[model]", "epoch = 3\n[model]"), b=NEVER_SAVES)
    ran = call("lint", RULES, "--statistics", "a.toml", "b.toml")
    rows = [line.split()[:3] for line in ran.out.splitlines()[:2]]
    assert rows == [["2", "error", "misspelt-key"], ["1", "error", "never-saves"]]
    assert call("lint", "--statistics", "--format=json", "a.toml").code == 2


@pytest.mark.parametrize(
    "selection, rules",
    [
        (["--select=never-saves"], ["never-saves"]),
        (["--select=config"], ["misspelt-key"]),
        (["--select=diffusion-pipe", "--ignore=no-chec"], ["never-saves"]),
        (["--select=error", "--ignore=missp"], ["never-saves"]),
        (["--select", "never-saves,misspelt_key"], ["misspelt-key", "never-saves"]),
        (["--select=note"], ["no-checkpoints"]),
        (["--select=all", "--ignore=all"], []),
    ],
)
def test_selection(call: Call, selection: list[str], rules: list[str]) -> None:
    write(a=MISSPELT.replace("save_every_n_epochs = 1\n", "").replace("checkpoint_every_n_minutes = 60\n", ""))
    ran = call("lint", "--format=json", *selection, "a.toml")
    ours = {"never-saves", "misspelt-key", "no-checkpoints"}
    assert sorted({f["rule"] for f in json.loads(ran.out)["findings"]} & ours) == rules


@pytest.mark.parametrize(
    "selection, sentence",
    [
        ("alpha", "`alpha` fits alpha-above-rank, "),
        ("neversaves", "`neversaves` is no rule, topic or level; did you mean `never-saves`?"),
    ],
)
def test_a_selection_that_names_no_one_thing_is_refused(call: Call, selection: str, sentence: str) -> None:
    write(a=FINE)
    ran = call("lint", f"--select={selection}", "a.toml")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"lora-doctor: {sentence}")


@pytest.mark.parametrize(
    "args",
    [
        ["--write-baseline", "--fix"],
        ["--config=x.toml", "--isolated"],
        ["-", "-"],
        ["--format=xml"],
        ["--nonsense"],
        ["--write-baseline"],
    ],
)
def test_contradictions_are_one_sentence(call: Call, args: list[str]) -> None:
    ran = call("lint", *args)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert ran.err.startswith("lora-doctor: ")


def test_names_with_line_breaks_and_without_a_meaning(call: Call) -> None:
    names = [b"a\nb.toml", b"\xff\xfe.toml", b"\x1b[31mred.toml"]
    for name in names:
        Path(os.fsdecode(name)).write_text(NEVER_SAVES)
    for form in ("text", "concise", "json", "sarif", "github"):
        ran = call("lint", RULES, f"--format={form}", *map(os.fsdecode, names), os.fsdecode(b"\xff.toml"))
        assert ran.code == 2
        assert ran.out.count("never-saves") >= 3
        assert ran.err.count("\n") == 1
        assert "\x1b" not in ran.out + ran.err
    concise = call("lint", RULES, "--format=concise", *map(os.fsdecode, names))
    assert len(concise.out.splitlines()) == 3 + 3
