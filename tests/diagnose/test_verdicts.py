"""Verdicts on stored runs of the lab, whose truth is known: a change that breaks one of them breaks this.

`fixtures/runs/judged.json` holds what was measured of 39 runs (13 trainings of `benchmarks/diagnosis.py`), from files
only and with the base model, beside what ground truth said of each.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lora_doctor.symptoms.calibrate import accused, scores
from lora_doctor.symptoms.judged import Judged, from_data, verdicts

STORED = Path(__file__).parents[2] / "fixtures" / "runs" / "judged.json"
TOLD = ("training-images-reproduced", "colours-collapsed", "prompt-ignored", "samples-all-alike")


def runs(tier: str, reported: bool | None = None) -> list[Judged]:
    rows = [row for row in json.loads(STORED.read_bytes()) if row["tier"] == tier]
    own = [row for row in rows if reported is None or row["reported"] is reported]
    return [from_data({k: v for k, v in row.items() if k not in ("tier", "kind", "reported")}) for row in own]


@pytest.mark.parametrize("tier", ["files", "base"])
def test_what_is_there_is_found(tier: str) -> None:
    found = scores(runs(tier))
    for symptom in TOLD:
        each = found[symptom]
        assert each.ill >= 2, f"no stored run has {symptom}"
        assert each.found == each.ill, f"{symptom}: {each}"
        assert each.accused <= 0.06 * each.well, f"{symptom}: {each}"


@pytest.mark.parametrize(("tier", "most"), [("files", 0), ("base", 1)])
def test_healthy_runs_are_not_accused(tier: str, most: int) -> None:
    healthy = [run for run in runs(tier) if run.healthy]
    assert len(healthy) >= 12
    wrong = {run.name: names for run in healthy if (names := accused(run))}
    assert len(wrong) <= most, wrong


def test_the_checkpoint_to_keep_is_worth_keeping() -> None:
    picked = [run for run in runs("base") if run.usable and run.pick is not None]
    right = [run.pick in run.usable for run in picked if run.usable]
    assert len(right) >= 12
    assert sum(right) >= 10


def test_unfitted_limits_accuse_and_the_labs_do_not() -> None:
    """The lab's own limits are for models of no known size: what such a model gains by learning is far more."""
    healthy = [run for run in runs("base") if run.healthy]
    as_large = [run._replace(micro=False) for run in healthy]
    assert sum(verdicts(run)["training-images-reproduced"].present for run in as_large) > len(healthy) / 2
    assert not any(verdicts(run)["training-images-reproduced"].present for run in healthy)
