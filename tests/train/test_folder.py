"""The run folder: rows that survive a kill, and are forgotten when a run goes back."""

from __future__ import annotations

import json
from pathlib import Path

from lora_doctor.train.folder import RunFolder, append_row, read_rows, rewind, step_name, step_of


def test_half_a_row_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    append_row(path, {"step": 1, "loss": 0.5})
    with path.open("a") as file:
        file.write('{"step": 2, "lo')
    assert read_rows(path) == [{"step": 1, "loss": 0.5}]


def test_a_row_after_half_a_row_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1}\n{"step": 2, "lo')
    folder = RunFolder(tmp_path)
    rewind(folder, 1)
    append_row(folder.log, {"step": 2})
    assert read_rows(path) == [{"step": 1}, {"step": 2}]


def test_rewinding_keeps_what_has_no_step(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for path in (folder.log, folder.monitors, folder.samples):
        for row in ({"event": "started"}, {"step": 1}, {"step": 5}):
            append_row(path, row)
    rewind(folder, 4)
    for path in (folder.log, folder.monitors, folder.samples):
        assert [json.loads(line) for line in path.read_text().splitlines()] == [{"event": "started"}, {"step": 1}]


def test_names_of_steps() -> None:
    assert [step_of(name) for name in (step_name(250), "step-1000000", ".step-000250.partial", "step-25")] == [
        250,
        1_000_000,
        None,
        None,
    ]
