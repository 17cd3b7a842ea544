"""SARIF that code scanning accepts: valid, with paths from the repository's root, rule help, fixes and fingerprints.

`SARIF_SCHEMA` names a copy of the standard's own schema to check against as well.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from lora_doctor.finding import Finding, Fix, Place, Related
from lora_doctor.lint import lint_file
from lora_doctor.report import Report, render
from lora_doctor.result import File, Found
from lora_doctor.rule import all_rules
from lora_doctor.source.document import Span
from lora_doctor.source.edit import Edit
from lora_doctor.source.read import read_text

FIXTURES = Path(__file__).parents[2] / "fixtures" / "lint"
SCHEMAS = [Path(__file__).parent / "sarif.schema.json"]
SCHEMAS += [Path(os.environ["SARIF_SCHEMA"])] if "SARIF_SCHEMA" in os.environ else []


def log(report: Report) -> Any:
    data = json.loads(render(report, "sarif"))
    jsonschema = pytest.importorskip("jsonschema")
    for schema in SCHEMAS:
        jsonschema.validate(data, json.loads(schema.read_bytes()))
    return data["runs"][0]


def everything(name: str = "a.toml", message: str = "message") -> Report:
    """A report that uses everything a finding can have, for every rule."""
    document = read_text(name, "a = 1  # 日本 😀\nb = 2\n".encode())
    place = Place(document, Span(4, 5), ("a",))
    fix = Fix("set `a` to 2", document, (Edit(Span(4, 5), "2"), Edit(Span(5, 5), "\nc = 3")), False)
    related = (Related(Place(document, Span(0, 1)), "here"), Related(Place(document, Span(4, 5)), "and here"))
    found = [Found(rule, Finding(place, message, "do", "a", 1, fix, related), "diffusion-pipe") for rule in all_rules()]
    return Report((File(document, "diffusion-pipe", "training"),), tuple(found))


def test_every_rule_makes_a_valid_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = log(everything())
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == [rule.id for rule in all_rules()]
    assert [result["ruleIndex"] for result in run["results"]] == list(range(len(run["results"])))
    for rule in run["tool"]["driver"]["rules"]:
        assert "**Why:**" in rule["help"]["markdown"]
        assert "```" in rule["help"]["markdown"]


def test_an_empty_log_is_valid() -> None:
    run = log(Report(failed=1))
    assert run["results"] == []
    assert run["invocations"] == [{"executionSuccessful": False}]


def test_what_a_result_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = log(everything())["results"][0]
    assert result["message"] == {"text": "message; do"}
    (location,) = result["locations"]
    assert location["logicalLocations"] == [{"fullyQualifiedName": "a"}]
    assert location["physicalLocation"]["region"] == {"startLine": 1, "startColumn": 5, "endLine": 1, "endColumn": 6}
    (change,) = result["fixes"][0]["artifactChanges"]
    assert change["replacements"][1] == {
        "deletedRegion": {"startLine": 1, "startColumn": 6, "endLine": 1, "endColumn": 6},
        "insertedContent": {"text": "\nc = 3"},
    }


@pytest.mark.parametrize(
    "name, uri",
    [
        ("a.toml", "sub/a.toml"),
        ("../b c:d%.toml", "b%20c%3Ad%25.toml"),
        ("日本.toml", "sub/%E6%97%A5%E6%9C%AC.toml"),
        ("\udcff.toml", "sub/%FF.toml"),
        ("/elsewhere/a.toml", "file:///elsewhere/a.toml"),
    ],
)
def test_paths_start_at_the_repository(name: str, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    run = log(everything(name))
    assert run["artifacts"] == [{"location": {"uri": uri}}]
    assert run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": uri}


def test_a_fingerprint_follows_its_finding_down_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (FIXTURES / "train.toml").read_text(encoding="utf-8")
    seen = []
    for changed in (text, "# one more line\n" + text, text.replace("warmup_stepz = 20", "warmup_stepz = 21")):
        (tmp_path / "train.toml").write_text(changed, encoding="utf-8")
        results = log(Report(found=lint_file(Path("train.toml")).found))["results"]
        seen.append({r["ruleId"]: r["partialFingerprints"]["loraDoctor/v1"] for r in results})
    assert seen[0] == seen[1]
    assert seen[0]["misspelt-key"] != seen[2]["misspelt-key"]
    assert len(set(seen[0].values())) == len(seen[0])
