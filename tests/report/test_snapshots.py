"""Reports as they are printed, kept in `snapshots/`; `UPDATE_SNAPSHOTS=1` rewrites them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lora_doctor.cli import run

FIXTURES = Path(__file__).parents[2] / "fixtures" / "lint"
SNAPSHOTS = Path(__file__).parent / "snapshots"
RULES = "--select=never-saves,misspelt-key,text-encoder-mismatch,secret-in-config,stale-ignore"
CALLS = {
    "text": [],
    "text-colour": [],
    "concise": ["--format=concise"],
    "json": ["--format=json"],
    "github": ["--format=github"],
    "statistics": ["--statistics"],
    "diff": ["--diff", "--unsafe-fixes"],
}


@pytest.mark.parametrize("name", CALLS)
def test_report(name: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FIXTURES)
    for variable in ("NO_COLOR", "FORCE_COLOR", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(variable, raising=False)
    if name == "text-colour":
        monkeypatch.setenv("FORCE_COLOR", "1")
    code = run(["lint", "--isolated", RULES, *CALLS[name], "train.toml", "dataset.toml"])
    ran = capfd.readouterr()
    assert (code, ran.err) == (1, "")
    snapshot = SNAPSHOTS / f"{name}.txt"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        snapshot.write_text(ran.out, encoding="utf-8")
    assert ran.out == snapshot.read_text(encoding="utf-8")
