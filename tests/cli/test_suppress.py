"""`lora-doctor: ignore[rule]` in every comment syntax, and suppressions that nothing needs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lora_doctor.finding import Place
from lora_doctor.source.document import Span
from lora_doctor.source.read import read_text
from lora_doctor.suppress import suppressing, suppressions

from .configs import DATASET, FINE, MISSPELT, RULES
from .conftest import Call

KEY = "warmup_stepz = 20"


@pytest.mark.parametrize(
    "name, text, suppressed",
    [
        ("a.toml", "KEY = 1  # lora-doctor: ignore[x] our fork reads it", True),
        ("a.toml", "# lora-doctor: ignore[x]\nKEY = 1", True),
        ("a.toml", "# lora-doctor: ignore[other, x] two of them\nKEY = 1", True),
        ("a.toml", "# lora-doctor: ignore[x]\n# and more words\n# lora-doctor:ignore[y]\nKEY = 1", True),
        ("a.toml", "# lora-doctor: ignore[x]\n\nKEY = 1", False),
        ("a.toml", "KEY = 1\n# lora-doctor: ignore[x]", False),
        ("a.toml", "a = 1 # lora-doctor: ignore[x]\nKEY = 1", False),
        ("a.toml", "# lora-doctor: ignore[y]\nKEY = 1", False),
        ("a.toml", "# lora-doctor: ignore\nKEY = 1", False),
        ("a.toml", 'a = "# lora-doctor: ignore-file[x]"\nKEY = 1', False),
        ("a.toml", "KEY = 1\n\n# lora-doctor: ignore-file[x]", True),
        ("a.toml", "KEY = [\n  1,  # lora-doctor: ignore[x]\n]", True),
        ("a.yaml", "a: 1\nKEY: 1 # lora-doctor: ignore[x]", True),
        ("a.yaml", "a:\n  # lora-doctor: ignore[x]\n  KEY: 1", True),
        ("a.json", '{\n  // lora-doctor: ignore[x]\n  "KEY": 1}', True),
        ("a.json", '{\n  /* lora-doctor: ignore[x]\n  why */\n  "KEY": 1}', True),
        ("a.json", '{/* lora-doctor: ignore[x] */ "KEY": 1}', True),
        ("a.json", '{"KEY": 1}  // lora-doctor: ignore[x]', True),
        ("a.sh", "# lora-doctor: ignore[x]\npython train.py \\\n  --a 1 \\\n  --KEY 1", True),
        ("a.sh", "python train.py \\\n  --KEY 1 \\\n  --a 1  # lora-doctor: ignore[x]", True),
        ("a.sh", "# lora-doctor: ignore[x]\npython other.py\npython train.py --KEY 1", False),
        ("config.env", "a=1\nKEY=1 # lora-doctor: ignore[x]", True),
        ("a.bat", "rem lora-doctor: ignore[x]\npython train.py ^\n  --a 1 ^\n  --KEY 1", True),
        ("a.ps1", "# lora-doctor: ignore[x]\npython train.py `\n  --a 1 `\n  --KEY 1", True),
    ],
)
def test_where_a_suppression_holds(name: str, text: str, suppressed: bool) -> None:
    document = read_text(name, text.encode() + b"\n")
    start = text.encode().index(b"KEY")
    end = start + len(text[text.index("KEY") :].partition("\n]")[0]) if "KEY = [" in text else start + 3
    by = suppressing(Place(document, Span(start, end)), ["x"], suppressions(document))
    assert bool(by) is suppressed


@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
def test_suppressed_findings_are_counted_and_no_more(call: Call, line_break: str) -> None:
    text = MISSPELT.replace(KEY, f"{KEY}  # lora-doctor: ignore[misspelt-key] our fork reads it")
    Path("a.toml").write_bytes(text.replace("\n", line_break).encode())
    ran = call("lint", RULES, "a.toml")
    assert ran.code == 0
    assert ran.out.startswith("1 file checked: nothing found (1 suppressed)\n")


def test_a_suppression_in_a_file_that_was_followed(call: Call) -> None:
    Path("dataset.toml").write_text(
        DATASET.replace("enable_ar_bucketz = true", "# lora-doctor: ignore[misspelt-key]\nenable_ar_bucketz = true")
    )
    Path("a.toml").write_text(FINE)
    Path("images").mkdir()
    assert call("lint", RULES, "a.toml", "dataset.toml").code == 0
    assert call("lint", RULES, "a.toml").code == 0
    assert call("lint", RULES, "dataset.toml").code == 0


def stale(call: Call, *args: str) -> list[tuple[str, int, str]]:
    findings = json.loads(call("lint", "--format=json", *args).out)["findings"]
    return [(f["key"], f["line"], f["message"]) for f in findings if f["rule"] == "stale-ignore"]


def fine(first_line: str) -> None:
    """A config that refers to nothing outside this folder, with one more line."""
    Path("images").mkdir(exist_ok=True)
    Path("dataset.toml").write_text(DATASET.replace("bucketz", "bucket"))
    Path("a.toml").write_text(f"{first_line}\n{FINE}")


def test_stale_suppressions(call: Call) -> None:
    fine("# lora-doctor: ignore[misspelt-key, never-savez, ai-toolkit-is-not-this, arch-not-set]")
    found = {key: message for key, _, message in stale(call, "a.toml")}
    assert found["misspelt-key"] == "`misspelt-key` finds nothing here any more; remove it"
    assert found["never-savez"].endswith("did you mean `never-saves`?")
    assert "is no rule of lora-doctor" in found["ai-toolkit-is-not-this"]
    assert "never looks at configs of this trainer" in found["arch-not-set"]
    fine("# lora-doctor: ignore")
    assert stale(call, "a.toml")[0][2].startswith("`lora-doctor: ignore` names no rule")


@pytest.mark.parametrize("args", [["--ignore=misspelt-key"], ["--select=stale-ignore"], ["--no-dataset"]])
def test_nothing_is_called_stale_whose_rule_did_not_run_on_everything(call: Call, args: list[str]) -> None:
    fine("# lora-doctor: ignore[misspelt-key]")
    assert stale(call, "a.toml")
    assert not stale(call, *args, "a.toml")


def test_nothing_is_called_stale_while_files_are_missing(call: Call) -> None:
    fine("# lora-doctor: ignore[misspelt-key]")
    Path("images").rmdir()
    assert not stale(call, "a.toml")


def test_a_dataset_alone_does_not_tell_what_its_runs_need(call: Call) -> None:
    fine("")
    Path("dataset.toml").write_text(f"# lora-doctor: ignore-file[misspelt-key]\n{Path('dataset.toml').read_text()}")
    assert not stale(call, "dataset.toml")
    assert not stale(call, "a.toml"), "only what somebody named"
    assert [key for key, _, _ in stale(call, "a.toml", "dataset.toml")] == ["misspelt-key"]


def test_stale_lines_of_ignore_keys(call: Call) -> None:
    fine("")
    Path("b.toml").write_text(MISSPELT)
    lines = '"b.toml" = ["warmup_stepz: misspelt-key"]\n"*.toml" = ["x: misspelt-key"]\n'
    for name, table in (("pyproject.toml", "tool.lora-doctor.ignore-keys"), ("lora-doctor.toml", "ignore-keys")):
        Path(name).write_text(f'[{table}]\n"a.toml" = ["epochs: misspelt-key", "lr: arch-not-set"]\n{lines}')
        found = json.loads(call("lint", "--format=json", "a.toml", "b.toml").out)["findings"]
        places = [(f["file"], f["line"], f["column"], f["key"]) for f in found if f["rule"] == "stale-ignore"]
        here = str(Path(name))
        assert places == [(here, 2, 13, "misspelt-key"), (here, 2, 37, "arch-not-set")]
        assert not stale(call, "b.toml"), "only what was judged"
        assert not stale(call, "--no-dataset", "a.toml")


def test_a_suppression_that_hides_itself(call: Call) -> None:
    fine("# lora-doctor: ignore-file[stale-ignore, nonsense]")
    assert not stale(call, "a.toml")


@pytest.mark.parametrize(
    "before, after",
    [
        ("# lora-doctor: ignore[misspelt-key] because\n", ""),
        ("x = 1\n", "x = 1\n"),
        ("# lora-doctor: ignore[misspelt-key, never-saves]\n", ""),
        ("warmup_steps = 20  # lora-doctor: ignore[misspelt-key]\n", "warmup_steps = 20\n"),
        ("# see #12 lora-doctor: ignore[misspelt-key]\n", "# see #12 lora-doctor: ignore[misspelt-key]\n"),
    ],
)
def test_fix_removes_a_stale_suppression(call: Call, before: str, after: str) -> None:
    fine("")
    Path("a.toml").write_text(before + FINE)
    call("lint", "--select=stale-ignore,misspelt-key,never-saves", "--fix", "a.toml")
    assert Path("a.toml").read_text() == after + FINE
