"""Workflow commands: escaped, errors first, and a table for the summary."""

from __future__ import annotations

from pathlib import Path

import pytest

from lora_doctor.finding import Finding, Place
from lora_doctor.report import Report, render
from lora_doctor.report import github as github
from lora_doctor.result import Found
from lora_doctor.rule import all_rules
from lora_doctor.source.document import Span
from lora_doctor.source.read import read_text

RULE = next(rule for rule in all_rules() if rule.id == "never-saves")


def found(message: str, level: str = "error", name: str = "a.toml", end: int = 1) -> Found:
    document = read_text(name, b"a = [\n1,\n]\n")
    return Found(RULE, Finding(Place(document, Span(0, end)), message, level=level), "diffusion-pipe")


def test_errors_first_and_escaped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    report = Report(found=(found("a note", "note"), found("5%\nof: a, b", name=",:.toml"), found("x", "warning")))
    assert render(report, "github").splitlines() == [
        "::error file=%2C%3A.toml,line=1,col=1,title=lora-doctor%3A never-saves,endLine=1,endColumn=2::5%25%0Aof: a, b",
        "::warning file=a.toml,line=1,col=1,title=lora-doctor%3A never-saves,endLine=1,endColumn=2::x",
        "::notice file=a.toml,line=1,col=1,title=lora-doctor%3A never-saves,endLine=1,endColumn=2::a note",
    ]


def test_a_span_over_several_lines_has_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    line = render(Report(found=(found("x", end=9),)), "github")
    assert line == "::error file=a.toml,line=1,col=1,title=lora-doctor%3A never-saves::x\n"


def test_paths_start_at_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    assert "file=sub/a.toml," in render(Report(found=(found("x"),)), "github")


def test_the_table_is_appended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    render(Report(found=(found("a | b <script> `c`\nd"),)), "github")
    render(Report(), "github")
    lines = summary.read_text().splitlines()
    assert lines[:5] == [
        "before",
        "### lora-doctor",
        "",
        "| level | place | rule | finding |",
        "| --- | --- | --- | --- |",
    ]
    assert lines[5] == "| error | a.toml:1 | `never-saves` | a \\| b &lt;script&gt; `c` d |"
    assert lines[7] == "1 error in 1 file"
    assert lines[-2] == "no training config found"
