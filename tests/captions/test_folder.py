"""`lora-doctor dataset DIR --model`: captions judged for a model without a config."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lora_doctor.cli import run
from lora_doctor.dataset.arrays import missing

pytestmark = pytest.mark.skipif(bool(missing()), reason="images are read with the data extra: lora-doctor[data]")
LONG = ", ".join(["a thin band of gold with a small stone and an engraved leaf"] * 8)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lora_doctor.dataset.described import write_described

    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    write_described(f"a.png: 128x128 photo\na.txt: {LONG}\n", Path("data"))


def rules(capsys: pytest.CaptureFixture[str], *options: str) -> set[str]:
    assert run(["dataset", "data", "--json", "--no-cache", *options]) in (0, 1)
    return {each["rule"] for each in json.loads(capsys.readouterr().out)["findings"]}


@pytest.mark.parametrize(
    "model, cut",
    [
        ("sdxl", True),
        ("stabilityai/stable-diffusion-xl-base-1.0", True),
        ("FLUX.2-klein-base-9B", False),
        ("sana", False),
    ],
)
def test_the_limit_is_the_models(model: str, cut: bool, capsys: pytest.CaptureFixture[str]) -> None:
    assert ("caption-cut-off" in rules(capsys, "--model", model)) == cut


def test_without_a_model_nothing_is_said_of_lengths(capsys: pytest.CaptureFixture[str]) -> None:
    assert "caption-cut-off" not in rules(capsys)


def test_a_model_nobody_knows_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["dataset", "data", "--model", "mine", "--no-cache"]) == 2
    assert "is no model lora-doctor knows" in capsys.readouterr().err
