"""Verdicts on stored runs of the lab, whose truth is known: a change that breaks one of them breaks this.

`fixtures/runs/judged.json` holds what was measured of the last runs of 100 trainings of three families
(`benchmarks/diagnosis.py store`), from files only and with the base model, beside what ground truth said of each.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lora_doctor.symptoms.calibrate import scores, wrongly
from lora_doctor.symptoms.judged import Judged, from_data, verdicts

STORED = Path(__file__).parents[2] / "fixtures" / "runs" / "judged.json"
# of the runs that have it so many are found at least, of those that have it not so many are accused at most
FOUND = {
    "files": {
        "artefacts-at-high-strength": (3, 0),
        "colours-collapsed": (11, 0),
        "layers-never-trained": (5, 0),
        "prompt-ignored": (22, 3),
        "under-trained": (13, 0),
        "weights-stalled": (5, 0),
    },
    "base": {
        "artefacts-at-high-strength": (3, 0),
        "base-forgotten": (35, 0),
        "colours-collapsed": (11, 0),
        "layers-never-trained": (5, 0),
        "prompt-ignored": (24, 1),
        "training-images-reproduced": (3, 0),
        "under-trained": (13, 0),
        "weights-stalled": (5, 0),
    },
}


def runs(tier: str) -> list[Judged]:
    own = [row for row in json.loads(STORED.read_bytes()) if row["tier"] == tier]
    return [from_data({k: v for k, v in row.items() if k not in ("tier", "kind", "reported", "unseen")}) for row in own]


@pytest.mark.parametrize("tier", FOUND)
def test_what_is_there_is_found(tier: str) -> None:
    found = scores(runs(tier))
    for symptom, (least, most) in FOUND[tier].items():
        each = found[symptom]
        assert each.found >= least, f"{symptom}: {each}"
        assert each.accused <= most, f"{symptom}: {each}"


@pytest.mark.parametrize(("tier", "most"), [("files", 0), ("base", 0)])
def test_healthy_runs_are_not_accused(tier: str, most: int) -> None:
    """Of what ground truth rules out: what lies between its limits is left open, as in `docs/diagnosis.md`."""
    judged = {symptom for run in runs(tier) for symptom in run.present}
    healthy = [run for run in runs(tier) if run.healthy]
    assert len(healthy) >= 12
    wrong = {f"{run.family} {run.name}": names for run in healthy if (names := wrongly(run, judged))}
    assert len(wrong) <= most, wrong


def test_the_checkpoint_to_keep_is_worth_keeping() -> None:
    picked = [run for run in runs("base") if run.usable and run.pick is not None]
    right = [run.pick in run.usable for run in picked if run.usable]
    assert len(right) >= 34
    assert sum(right) >= 27


def test_unfitted_limits_accuse_and_the_labs_do_not() -> None:
    """The lab's own limits are for models of no known size: what such a model gains by learning is far more."""
    healthy = [run for run in runs("base") if run.healthy]
    as_large = [run._replace(micro=False) for run in healthy]
    assert sum(verdicts(run)["training-images-reproduced"].present for run in as_large) > len(healthy) / 2
    assert not any(verdicts(run)["training-images-reproduced"].present for run in healthy)
