"""`lora-doctor diagnose` as it is called: thirty lines, JSON, exit codes, and a sentence for whatever goes wrong."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import pytest

from lora_doctor.cli import run

from .folders import grown, noisy, picture, scene, write_events, write_lora, write_run


class Ran(NamedTuple):
    """What a call came to."""

    code: int
    out: str
    err: str


Call = Callable[..., Ran]


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """`call(folder)`: the command in this process, with a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".cache"))

    def calling(*args: str | Path) -> Ran:
        capfd.readouterr()
        code = run(["diagnose", *(str(arg) for arg in args)])
        return Ran(code, *capfd.readouterr())

    return calling


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    for i in range(6):
        picture(folder / f"{i}.png", scene(50, i))
    return folder


def test_a_run_in_which_nothing_is_found(call: Call, tmp_path: Path, images: Path) -> None:
    root = write_run(tmp_path / "run", "ai-toolkit", steps=(100, 200, 300, 400), samples=(0, 100, 200, 300, 400))
    ran = call(root, "--dataset", images)
    assert ran.code == 0, ran.out
    assert "no symptom found in what could be measured" in ran.out
    assert "healthy" not in ran.out
    assert "can't tell: " in ran.out
    assert "not measured: a loss on held-out images" in ran.out
    assert len(ran.out.splitlines()) <= 30


def _ill(step: int, slot: int) -> Any:
    return scene(50, slot) if step >= 200 else noisy(step, slot)


def test_symptoms_with_evidence_and_fix(call: Call, tmp_path: Path, images: Path) -> None:
    root = write_run(tmp_path / "run", "ai-toolkit", paint=_ill)
    ran = call(root, "--dataset", images)
    assert ran.code == 1
    assert "error[training-images-reproduced]" in ran.out
    assert "since step 200" in ran.out
    assert "set `train.steps` to 100" in ran.out
    assert len(ran.out.splitlines()) <= 30
    assert call(root, "--dataset", images, "--ignore", "symptoms").code == 0
    assert call(root, "--dataset", images, "--select", "diverged").code == 0


def test_many_symptoms_stay_within_thirty_lines(call: Call, tmp_path: Path, images: Path) -> None:
    root = write_run(
        tmp_path / "run", "ai-toolkit", paint=lambda step, slot: scene(50, 0), weights=lambda step: grown(0, "klein")
    )
    (root / "zwx_000000400.safetensors").write_bytes(b"half")
    ran = call(root, "--dataset", images)
    assert ran.code == 1
    assert len(ran.out.splitlines()) <= 30
    assert "set aside: zwx_000000400.safetensors" in ran.out


SCHEMA = {
    "type": "object",
    "required": ["version", "run", "verdicts", "signals", "not_measured", "copies", "window"],
    "additionalProperties": False,
    "properties": {
        "version": {"const": 1},
        "run": {"type": "object", "required": ["folder", "trainer", "family", "checkpoints", "samples", "missing"]},
        "not_measured": {"type": "object", "additionalProperties": {"type": "string"}},
        "copies": {"type": "array", "items": {"required": ["sample", "step", "picture", "how", "distance", "usual"]}},
        "window": {"type": ["object", "null"]},
        "signals": {
            "type": "object",
            "additionalProperties": {"required": ["title", "kind", "unit", "at", "values", "baseline", "against"]},
        },
        "verdicts": {
            "type": "array",
            "items": {
                "required": [
                    "symptom",
                    "level",
                    "state",
                    "confidence",
                    "since",
                    "message",
                    "evidence",
                    "advice",
                    "needs",
                ],
                "properties": {
                    "state": {"enum": ["present", "absent", "can't tell"]},
                    "confidence": {"minimum": 0, "maximum": 1},
                    "evidence": {
                        "items": {"required": ["signal", "value", "warn", "alarm", "baseline", "provenance"]},
                    },
                    "advice": {"items": {"required": ["text", "key", "value"]}},
                },
            },
        },
    },
}


def test_json(call: Call, tmp_path: Path, images: Path) -> None:
    root = write_run(tmp_path / "run", "ai-toolkit", paint=_ill)
    ran = call(root, "--dataset", images, "--json")
    data = json.loads(ran.out)
    jsonschema.validate(data, SCHEMA)
    (verdict,) = [each for each in data["verdicts"] if each["symptom"] == "training-images-reproduced"]
    assert (verdict["state"], verdict["since"]) == ("present", 200)
    assert {each["sample"].rpartition("_")[2] for each in data["copies"]} == {"0.png", "1.png", "2.png"}
    provenances = {each["provenance"] for verdict in data["verdicts"] for each in verdict["evidence"]}
    assert provenances <= {"measured in the lab", "published", "carried over", "not yet calibrated", "certain"}
    written = tmp_path / "out.json"
    assert call(root, "--dataset", images, "--json", "-o", written).code == 1
    assert json.loads(written.read_text())["verdicts"] == data["verdicts"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["missing"], "is no folder"),
        (["empty"], "holds neither LoRA checkpoints nor sample images"),
        (["run", "--config", "nowhere.yaml"], "nowhere.yaml"),
        (["run", "--config", "strange.yaml"], "is no training config"),
        (["run", "--dataset", "nowhere"], "is no folder that can be listed"),
        (["run", "--select", "nonsense"], "`nonsense` is no rule, topic or level"),
    ],
)
def test_what_it_can_not_work_with(
    arguments: list[str], sentence: str, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "strange.yaml").write_text("hello: world\n")
    write_run(tmp_path / "run", "ai-toolkit", samples=())
    ran = call(*arguments)
    assert ran.code == 2
    assert sentence in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("seed", range(8))
def test_damage_of_any_kind(seed: int, call: Call, tmp_path: Path) -> None:
    """Files cut short, with bytes changed, replaced by noise, or gone: told or survived, never a fault of ours."""
    root = write_run(tmp_path / "run", "ai-toolkit", slots=2)
    write_events(root / "logs" / "events.out.tfevents.1", [("loss/loss", step, 0.3) for step in range(300)])
    (root / "config.yaml").write_text("job: extension\nconfig:\n  name: zwx\n  process:\n    - type: sd_trainer\n")
    chance = random.Random(seed)
    files = sorted(path for path in root.rglob("*") if path.is_file())
    for path in chance.sample(files, 6):
        data = bytearray(path.read_bytes())
        how = chance.choice(("cut", "changed", "noise", "gone"))
        if how == "gone":
            path.unlink()
        elif how == "cut":
            path.write_bytes(data[: chance.randint(0, len(data))])
        elif how == "noise":
            path.write_bytes(chance.randbytes(300))
        else:
            for _ in range(10):
                data[chance.randrange(len(data))] = chance.randrange(256)
            path.write_bytes(data)
    ran = call(root, "--json")
    assert ran.code in (0, 1), ran.err
    jsonschema.validate(json.loads(ran.out), SCHEMA)


def test_a_run_without_samples_says_what_they_would_tell(call: Call, tmp_path: Path) -> None:
    root = tmp_path / "out"
    for step in (100, 200, 300):
        path = root / f"20260801_12-00-00/step{step}/adapter_model.safetensors"
        path.parent.mkdir(parents=True)
        write_lora(path, grown(step, "klein"), {})
    ran = call(root)
    assert ran.code == 0
    assert "diffusion-pipe" in ran.out
    assert "not measured: sample images (would tell: copies of training images" in ran.out


@pytest.mark.slow
def test_thousands_of_files(call: Call, tmp_path: Path) -> None:
    root = write_run(tmp_path / "run", "ai-toolkit")
    (root / "junk").mkdir()
    for i in range(5000):
        (root / "junk" / f"{i}.txt").write_bytes(b"")
    assert call(root).code == 0


@pytest.mark.slow
def test_the_installed_command_loads_no_torch(tmp_path: Path) -> None:
    root = write_run(tmp_path / "run", "sd-scripts")
    code = (
        "import sys\nfrom lora_doctor.cli import main\n"
        "sys.argv = ['lora-doctor', 'diagnose', sys.argv[1], '--no-cache']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(*sorted(m.partition('.')[0] for m in sys.modules), file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(root)], capture_output=True, text=True, check=True)
    assert "sd-scripts" in ran.stdout
    assert not {"torch", "diffusers", "peft", "transformers"} & set(ran.stderr.split())
