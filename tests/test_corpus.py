"""What the linter finds in many configs at once, as counts: a change to a rule shows here which files it touches.

`fixtures/configs` is always counted. The configs that the trainers ship in their own repositories are not part of this
one; with `LORA_DOCTOR_CORPUS` set to a folder that holds them (one sub-folder per trainer), they are counted too.
`UPDATE_SNAPSHOTS=1` rewrites the counts.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lora_doctor.lint import lint_file

ROOT = Path(__file__).parent.parent
SNAPSHOTS = Path(__file__).parent / "snapshots"
CORPORA = {"fixtures": ROOT / "fixtures" / "configs", "shipped": Path(os.environ.get("LORA_DOCTOR_CORPUS", "-"))}


def count(folder: Path) -> dict[str, Any]:
    """Files per trainer and kind, findings per trainer and rule, and the sentences of what could not be read."""
    kinds: Counter[str] = Counter()
    findings: Counter[str] = Counter()
    refused: list[str] = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        result = lint_file(path, datasets=False)  # the same with and without the data extra
        name = path.relative_to(folder).as_posix()
        kinds.update(f"{file.trainer} {file.kind}" for file in result.files)
        findings.update(f"{found.trainer} {found.level} {found.rule.id}" for found in result.found)
        refused += [f"{name}: {problem.sentence}" for problem in result.problems]
        refused += [f"{name}: not recognised" for _ in result.skipped]
    return {"files": dict(sorted(kinds.items())), "findings": dict(sorted(findings.items())), "refused": refused}


@pytest.mark.parametrize("name", CORPORA)
def test_counts(name: str) -> None:
    folder, snapshot = CORPORA[name], SNAPSHOTS / f"{name}.json"
    if not folder.is_dir():
        pytest.skip("set LORA_DOCTOR_CORPUS to a folder with the trainers' own configs")
    counts = count(folder)
    assert not [line for line in counts["refused"] if "please report it" in line]
    if os.environ.get("UPDATE_SNAPSHOTS"):
        snapshot.parent.mkdir(exist_ok=True)
        snapshot.write_text(json.dumps(counts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    assert counts == json.loads(snapshot.read_text(encoding="utf-8"))
