"""`lora-doctor calibrate`: limits from judged runs, and what `diagnose` makes of them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_doctor.cli import run
from lora_doctor.settings import nearest_settings
from lora_doctor.symptoms.calibrate import fit, overlaid, scores
from lora_doctor.symptoms.judged import Judged, as_data, from_data, verdicts
from lora_doctor.symptoms.signals import Signal, judged_value, specs

from .folders import noisy, picture, scene, write_run

COPIES = "training-images-reproduced"
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """`call(command, ...)` in this process and in a project folder, with a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".cache"))
    monkeypatch.chdir(tmp_path)

    def calling(*args: str | Path) -> tuple[int, str, str]:
        capfd.readouterr()
        nearest_settings.cache_clear()  # each call is a process of its own
        code = run([str(arg) for arg in args])
        return (code, *capfd.readouterr())

    return calling


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Six runs of ai-toolkit beside one set of images: in three of them half of the samples are training images."""
    for i in range(6):
        picture(tmp_path / "images" / f"{i}.png", scene(50, i))
    rows = []
    for nth in range(6):
        ill = nth < 3

        def paint(step: int, slot: int, ill: bool = ill, nth: int = nth) -> object:
            return scene(50, slot) if ill and step > 100 and slot % 2 else noisy(step + 1000 * nth, slot)

        write_run(tmp_path / f"run-{nth}", "ai-toolkit", steps=(100, 200), samples=(0, 100, 200), paint=paint)
        told = f'present = ["{COPIES}"]\nabsent = "others"' if ill else 'absent = "others"'
        rows.append(f'[[run]]\nfolder = "run-{nth}"\ndataset = "images"\n{told}\n')
    labels = tmp_path / "judged.toml"
    labels.write_text("\n".join(rows))
    return labels


def test_limits_are_fitted_written_and_judged_by(call: Call, runs: Path, tmp_path: Path) -> None:
    code, out, err = call("calibrate", runs)
    assert code == 0, err
    assert f"{COPIES}: copied_share above 0.167 (3 of 3 runs with it, 0 of 3 without)" in out
    table = json.loads((tmp_path / "lora-doctor-limits.json").read_bytes())
    limit = table["limits"]["copied_share"]["any"]
    assert limit["provenance"] == "calibrated"
    assert limit["source"].startswith("6 runs of judged.toml")
    assert (tmp_path / "lora-doctor.toml").read_text() == 'limits = "lora-doctor-limits.json"\n'
    for own in table["limits"].values():
        own["any"]["weight"] = 0.0  # nothing speaks for anything
    (tmp_path / "lora-doctor-limits.json").write_text(json.dumps(table))
    args = ("diagnose", "run-0", "--dataset", "images", "--select", COPIES, "--json")
    found = json.loads(call(*args)[1])
    assert [each["state"] for each in found["verdicts"]] != ["present"], "the project's own limits were not read"
    (tmp_path / "lora-doctor.toml").unlink()
    found = json.loads(call(*args)[1])
    assert [each["state"] for each in found["verdicts"]] == ["present"]


def test_settings_are_not_rewritten(call: Call, runs: Path, tmp_path: Path) -> None:
    own = tmp_path / "lora-doctor.toml"
    own.write_text('ignore = ["note"]\n')
    code, _, err = call("calibrate", runs)
    assert code == 0
    assert own.read_text() == 'ignore = ["note"]\n'
    assert 'limits = "lora-doctor-limits.json"' in err


def test_a_dry_run_writes_nothing(call: Call, runs: Path, tmp_path: Path) -> None:
    before = sorted(path.name for path in tmp_path.iterdir())
    assert call("calibrate", runs, "--dry-run")[0] == 0
    assert [name for name in sorted(path.name for path in tmp_path.iterdir()) if name not in before] in ([], [".cache"])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "wants a table `[[run]]`"),
        ("run = 3", "wants a table `[[run]]`"),
        ("[[run]]\nfolder = 'r'\npresent = ['diverge']", "`diverge` is no symptom; did you mean `diverged`?"),
        ("[[run]]\nfolder = 'r'\npresnt = []", "`presnt` is no key of a run; did you mean `present`?"),
        ("[[run]]\nfolder = 'r'", "neither `present` nor `absent`"),
        ("[[run]]\npresent = ['diverged']", "a run without its `folder`"),
        ("[[run]]\nfolder = 'r'\npresent = ['diverged']\nabsent = ['diverged']", "can't be present and absent"),
        ("[[run]]\nfolder = 'r'\npresent = 'all'", "wants a list of symptoms"),
        ("[[run]]\nfolder = 'r'\npresent = ['diverged']\nbest = 'last'", "wants the step of a checkpoint"),
        ("[[run]", "not valid TOML"),
    ],
)
def test_what_means_nothing_is_told(call: Call, tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "judged.toml").write_text(text)
    code, _, err = call("calibrate", "judged.toml")
    assert code == 2
    assert sentence in err


def test_too_few_runs_set_no_limit(call: Call, runs: Path, tmp_path: Path) -> None:
    text = runs.read_text().split("\n\n")
    runs.write_text("\n\n".join(text[1:]))
    code, _, err = call("calibrate", runs)
    assert code == 2
    assert f"({COPIES}: 2 runs with it and 3 without; 3 of each are the fewest)" in err
    assert not (tmp_path / "lora-doctor-limits.json").exists()


def judged(name: str, value: float, ill: bool, signal: str = "heldout_gap") -> Judged:
    """A run of which one number is known."""
    found = {signal: Signal(signal, (0, 100), (0.0, value), (8, 8))}
    return Judged(name, "flux2-klein", "subject", False, found, {COPIES: ill})


VALUES = st.lists(st.integers(-200, 400).map(lambda value: value / 100), min_size=3, max_size=12)


@given(VALUES, VALUES)
def test_no_healthy_run_is_accused_by_a_fitted_limit(ill: list[float], well: list[float]) -> None:
    runs = [judged(f"i{n}", v, True) for n, v in enumerate(ill)]
    runs += [judged(f"w{n}", v, False) for n, v in enumerate(well)]
    found = fit(runs, "calibrated", "these")
    again = fit(random.Random(1).sample(runs, len(runs)), "calibrated", "these")
    assert found == again, "the order of the runs decides"
    table = overlaid({each.signal: {"any": each.limit._asdict()} for each in found})
    score = scores(runs, table)[COPIES]
    assert score.accused == 0
    assert score.ill == len(ill)
    (each,) = found
    spec = specs()["heldout_gap"]
    values = [judged_value(run.signals["heldout_gap"], spec) for run in runs[: len(ill)]]
    assert each.hits == pytest.approx(sum(value >= each.limit.alarm for value in values), abs=1), "the limit is rounded"


@given(VALUES, VALUES, st.integers(5, 9))
def test_what_lies_apart_is_all_found(low: list[float], high: list[float], shift: float) -> None:
    ill = [judged(f"i{n}", v + 2 + shift, True) for n, v in enumerate(high)]
    runs = ill + [judged(f"w{n}", v, False) for n, v in enumerate(low)]
    table = overlaid({e.signal: {"any": e.limit._asdict()} for e in fit(runs, "calibrated", "these")})
    assert scores(runs, table)[COPIES].found == len(ill)
    assert {verdicts(run, table)[COPIES].state for run in runs[len(ill) :]} <= {"absent", "can't tell"}


def test_small_values_are_the_bad_ones_where_the_signal_says_so() -> None:
    runs = [judged(f"i{n}", v, True, "likeness") for n, v in enumerate((0.3, 0.4, 0.5))]
    runs += [judged(f"w{n}", v, False, "likeness") for n, v in enumerate((0.9, 1.0, 1.1))]
    (found,) = fit(runs, "calibrated", "these")
    assert (found.limit.warn, found.limit.alarm, found.hits, found.false) == (0.7, 0.7, 3, 0)


def test_runs_without_a_symptom_move_a_limit_that_accuses_them() -> None:
    runs = [judged(f"w{n}", v, False) for n, v in enumerate((0.3, 0.4, 0.5))]
    assert scores(runs)[COPIES].accused == 3, "the limit that comes along accuses them"
    (found,) = fit(runs, "calibrated", "these")
    assert (found.ill, found.well, found.limit.warn) == (0, 3, 0.55)
    table = overlaid({found.signal: {"any": found.limit._asdict()}})
    assert scores(runs, table)[COPIES].accused == 0


def test_a_judged_run_survives_json() -> None:
    run_ = judged("run@100", 1.5, True)
    again = from_data(json.loads(json.dumps(as_data(run_))))
    assert again.present == run_.present
    assert again.signals["heldout_gap"].values == run_.signals["heldout_gap"].values
    assert again.healthy is False
