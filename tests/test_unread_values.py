"""A value that can't be read (a variable nobody sets) is no missing one: nothing worse is said because of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lora_doctor.dialects import recognise
from lora_doctor.lint import lint_document
from lora_doctor.source.read import read_text

CONFIGS = Path(__file__).parent.parent / "fixtures" / "configs"
SCRIPTS = sorted(path for suffix in ("sh", "bat", "ps1") for path in CONFIGS.rglob(f"*.{suffix}"))
VARIABLE = {".sh": b'"$NOBODY"', ".bat": b'"%NOBODY%"', ".ps1": b'"$env:NOBODY"'}
OPTION = re.compile(rb"(--[a-z_0-9]+)[ =](\"?)([^\s\"\\`^]+)\2(?=\s)")


def verdicts(path: Path, text: bytes) -> set[tuple[str, str]]:
    result = lint_document(read_text(str(path), text), datasets=False)
    assert not result.problems
    return {(found.rule.id, found.finding.key) for found in result.found if found.level != "note"}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_nothing_worse(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    text = path.read_bytes()
    if recognise(read_text(str(path), text)) is None:
        pytest.skip("not a run by itself")
    known = verdicts(path, text)
    for match in OPTION.finditer(text):
        if match[1] == b"--config_file" and b"accelerate launch --config_file" in text:
            continue  # accelerate's own: where it can't be read, one device is taken for granted
        unread = text[: match.start(2)] + VARIABLE[path.suffix] + text[match.end() :]
        assert verdicts(path, unread) <= known, match[0].decode()
