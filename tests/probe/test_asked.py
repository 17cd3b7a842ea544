"""Checkpoints of a real run, asked again: the same numbers as its own monitors wrote, whatever names they come in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from lora_doctor.adapter.combine import resize
from lora_doctor.adapter.convert import convert
from lora_doctor.adapter.facts import examine
from lora_doctor.cli import run as command
from lora_doctor.probe.asked import ask, spread_out
from lora_doctor.probe.questions import questions_of
from lora_doctor.runs.facts import Checkpoint, Run
from lora_doctor.runs.native import monitor_rows
from lora_doctor.runs.read import read_run
from lora_doctor.source.document import SourceError
from lora_doctor.train.job import Adapter, Saving
from lora_doctor.train.monitors import Monitors
from tests.diagnose.folders import write_lora
from tests.train import running, tiny


class Made(NamedTuple):
    """A finished run of six steps, three checkpoints, and the pipeline it was trained on."""

    run: Path
    images: Path
    model: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("asked")
    model = tiny.make_klein(folder)
    job = running.small_job(folder, model, saving=Saving(every_steps=2))
    job = job._replace(training=job.training._replace(steps=6), optimizer=job.optimizer._replace(learning_rate=1e-2))
    running.run(job, [Monitors(lambda _: None)])
    return Made(job.output, folder / "images", model)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    return tmp_path / "cache"


def foreign(made: Made, folder: Path, target: str) -> Run:
    """The run's checkpoints as another trainer leaves them: other names in the files, no config beside them."""
    folder.mkdir()
    for step in (2, 4, 6):
        own = made.run / f"checkpoints/step-{step:06d}/pytorch_lora_weights.safetensors"
        path = folder / f"zwx_{step:09d}.safetensors"
        if target == "diffusers":
            shutil.copy(own, path)
        else:
            convert(examine(own), target, path)
    return read_run(folder, dataset=made.images)


def losses_of(rows: Any) -> dict[tuple[int, str], list[list[float]]]:
    return {(row["step"], row["set"]): row["losses"] for row in rows if row["monitor"] == "loss"}


def close(one: list[list[float]], other: list[list[float]], rel: float) -> bool:
    return all(a == pytest.approx(b, rel=rel) for a, b in zip(one, other, strict=True))


def test_the_rows_are_those_that_the_run_wrote_itself(made: Made, cache: Path) -> None:
    run = read_run(made.run)
    questions = questions_of(run, None, None)
    assert questions.other == "held_out"
    rows = ask(run, questions, cache).rows
    written = monitor_rows(made.run)
    own, found = losses_of(written), losses_of(rows)
    assert {step for step, _ in found} == {0, 2, 4, 6}
    for place, losses in found.items():
        assert close(losses, own[place], 2e-3), place
    asked = {row["step"]: row for row in rows if row["monitor"] == "prompts"}
    for row in written:
        if row["monitor"] == "prompts" and row["step"] in asked:
            for name in ("sensitivity", "drift", "drift_unrelated", "leakage"):
                assert asked[row["step"]][name] == pytest.approx(row[name], rel=2e-2), name
    assert all(row["response"]["1"] == 1 for row in rows if row["monitor"] == "strength")


def test_names_of_other_programs_give_the_same_answers(made: Made, cache: Path, tmp_path: Path) -> None:
    answers = {}
    for target in ("diffusers", "comfyui", "kohya"):
        run = foreign(made, tmp_path / target, target)
        found = ask(run, questions_of(run, made.model, None), cache)
        assert (found.asked, found.aside) == (3, ())
        answers[target] = losses_of(found.rows)
    for target in ("comfyui", "kohya"):
        assert answers[target].keys() == answers["diffusers"].keys()
        for place, losses in answers["diffusers"].items():
            assert close(answers[target][place], losses, 1e-4), (target, place)
    assert not close(answers["kohya"][6, "train"], answers["kohya"][0, "train"], 1e-4)


@pytest.mark.parametrize("family", ["flux2-klein", "sdxl"])
@pytest.mark.parametrize("adapter", [Adapter("lokr", 2, 2.0), Adapter("loha", 2, 1.0)], ids=["lokr", "loha"])
def test_lokr_and_loha_give_what_the_run_wrote_itself(
    cache: Path, tmp_path: Path, family: str, adapter: Adapter
) -> None:
    run = read_run(run_of(tmp_path, family, adapter))
    as_written(run, ask(run, questions_of(run, None, None), cache).rows)


def run_of(folder: Path, family: str, adapter: Adapter) -> Path:
    """A finished run of four steps with its own monitors."""
    model = (tiny.make_klein if family == "flux2-klein" else tiny.make_sdxl)(folder)
    job = running.small_job(folder, model, family, adapter=adapter)
    job = job._replace(optimizer=job.optimizer._replace(learning_rate=2e-2, text_encoder_learning_rate=2e-2))
    running.run(job, [Monitors(lambda _: None)])
    return job.output


def as_written(run: Run, rows: Any) -> None:
    """The rows are those of the run's own monitors, and the adapter did something."""
    written, own = monitor_rows(run.folder), losses_of(monitor_rows(run.folder))
    found = losses_of(rows)
    assert {step for step, _ in found} == {0, 2, 4}
    for place, losses in found.items():
        assert close(losses, own[place], 3e-4), place
    assert not close(found[4, "train"], found[0, "train"], 1e-3)
    last = {row["step"]: row for row in rows if row["monitor"] == "prompts"}[4]
    (told,) = [row for row in written if row["monitor"] == "prompts" and row["step"] == 4]
    for name in ("sensitivity", "drift", "leakage"):
        assert last[name] == pytest.approx(told[name], rel=2e-2), name
    (ours,) = [row["response"] for row in rows if row["monitor"] == "strength" and row["step"] == 4]
    (theirs,) = [row["response"] for row in written if row["monitor"] == "strength"]
    assert ours == pytest.approx(theirs, rel=2e-2)


@pytest.mark.parametrize("family", ["flux2-klein", "sdxl"])
def test_text_encoders_are_asked_with_their_lora(cache: Path, tmp_path: Path, family: str) -> None:
    run = read_run(run_of(tmp_path, family, Adapter(rank=2, alpha=2.0, text_encoder=True)))
    rows = ask(run, questions_of(run, None, None), cache).rows
    as_written(run, rows)
    assert not [row for row in rows if row["monitor"] == "warning"]


def test_a_fused_lokr_is_cut_into_the_layers_it_is_of(made: Made, tmp_path: Path, cache: Path) -> None:
    """In ai-toolkit's names one LoKr holds q, k and v; as a LoRA of full rank it is the same change."""
    rng = np.random.default_rng(0)
    tensors = {}
    for layer in foreign(made, tmp_path / "lora", "comfyui").checkpoints[0].adapter.layers:  # type: ignore[union-attr]
        begin = f"diffusion_model.{layer.name}"
        tensors[f"{begin}.lokr_w1"] = rng.normal(0, 0.4, (4, 4))
        tensors[f"{begin}.lokr_w2_a"] = rng.normal(0, 0.1, ((layer.outputs or 4) // 4, 2))
        tensors[f"{begin}.lokr_w2_b"] = rng.normal(0, 1, (2, (layer.inputs or 4) // 4))
        tensors[f"{begin}.alpha"] = np.array(1.0)
    assert any(".qkv." in name for name in tensors)
    one, other = (tmp_path / name / "zwx_000000002.safetensors" for name in ("lokr", "thin"))
    for path in (one, other):
        path.parent.mkdir()
    write_lora(one, tensors, {}, "F32")
    resize(examine(one), other, energy=1.0, dtype="F32")
    assert {layer.kind for layer in examine(other).layers} == {"lora"}
    losses = []
    for path in (one, other):
        run = read_run(path.parent, dataset=made.images)
        found = ask(run, questions_of(run, made.model, None), cache)
        assert (found.asked, found.aside) == (1, ())
        losses.append(losses_of(found.rows))
    assert close(losses[0][2, "train"], losses[1][2, "train"], 2e-3)  # bf16, in which the base computes
    assert not close(losses[0][2, "train"], losses[0][0, "train"], 1e-2)


def test_what_was_held_out_is_known_or_said_to_be_unknown(made: Made, cache: Path, tmp_path: Path) -> None:
    run = foreign(made, tmp_path / "run", "diffusers")
    questions = questions_of(run, made.model, None)
    assert questions.other == "shifted"
    assert "--held-out" in questions.gaps[0].how
    unseen = tmp_path / "unseen"
    shutil.copytree(made.images, unseen)
    with pytest.raises(SourceError, match="copies of what was trained on"):
        questions_of(run, made.model, unseen)
    from PIL import Image

    for path in unseen.glob("*.png"):
        Image.open(path).transpose(Image.Transpose.ROTATE_90).save(path)
    given = questions_of(run, made.model, unseen)
    assert (given.other, given.gaps) == ("held_out", ())
    assert {item.picture.path.parent for item in given.others} == {unseen}


def test_images_that_changed_since_are_not_taken_for_held_out(made: Made, cache: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(made.run, copy)
    images = tmp_path / "images"
    shutil.copytree(made.images, images)
    config = copy / "config.toml"
    config.write_text(config.read_text().replace(str(made.images), str(images)))
    assert questions_of(read_run(copy), None, None).other == "held_out"
    for item in questions_of(read_run(copy), None, None).others:
        item.picture.path.unlink()
    questions = questions_of(read_run(copy), None, None)
    assert questions.other == "shifted"
    assert "have changed" in questions.gaps[0].how


def test_only_what_is_new_is_asked(made: Made, cache: Path, tmp_path: Path) -> None:
    run = foreign(made, tmp_path / "run", "diffusers")
    questions = questions_of(run, made.model, None)
    few = run._replace(checkpoints=run.checkpoints[:2])
    told: list[tuple[str, int, int]] = []
    assert ask(few, questions, cache, tell=lambda *each: told.append(each)).asked == 2
    assert told[0][1:] == (0, 8)
    assert told[-1][1:] == (8, 8)
    whole = ask(run, questions, cache)
    assert whole.asked == 1
    again = ask(run, questions, cache)
    assert (again.asked, again.rows) == (0, whole.rows)
    fresh = ask(run, questions, tmp_path / "another")
    for place, losses in losses_of(fresh.rows).items():
        assert close(losses, losses_of(whole.rows)[place], 1e-5)


def test_a_budget_leaves_some_over_and_says_so(made: Made, cache: Path, tmp_path: Path) -> None:
    run = foreign(made, tmp_path / "run", "diffusers")
    questions = questions_of(run, made.model, None)
    found = ask(run, questions, cache, seconds=0)
    assert found.asked == 1
    assert {row["step"] for row in found.rows} == {0, 6}
    assert "2 of 3 checkpoints with the base model (steps 2, 4)" in found.gaps[-1].what
    assert ask(run, questions, cache, seconds=0).asked == 1  # goes on where it stopped


def test_a_checkpoint_of_another_model_is_set_aside(made: Made, cache: Path, tmp_path: Path) -> None:
    run = foreign(made, tmp_path / "run", "diffusers")
    other = tiny.make_sdxl(tmp_path)
    found = ask(run, questions_of(run, other, None), cache)
    assert found.rows == ()
    assert len(found.aside) == 3


@pytest.mark.parametrize("count", range(1, 12))
def test_every_checkpoint_comes_once_the_ends_first(count: int) -> None:
    steps = [Checkpoint(Path(f"{step}"), step) for step in range(1, count + 1)]
    found = [each.step for each in spread_out(steps)]
    assert sorted(step or 0 for step in found) == list(range(1, count + 1))
    assert found[0] == count
    assert count < 2 or found[1] == 1


def test_the_command(made: Made, cache: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = foreign(made, tmp_path / "run", "comfyui").folder
    arguments = ["diagnose", str(run), "--dataset", str(made.images), "--json"]
    assert command([*arguments, "--base", str(made.model)]) in (0, 1)
    data = json.loads(capfd.readouterr().out)
    assert {"augmentation_gap", "prompt_sensitivity", "drift"} <= {each["name"] for each in _signals(data)}
    assert command([*arguments, "--base", str(tmp_path)]) == 2
    assert "model_index.json" in capfd.readouterr().err
    assert command([*arguments, "--base"]) == 2
    assert "no config names the run's base model" in capfd.readouterr().err
    assert command([*arguments, "--budget", "1"]) == 2
    assert "add --base" in capfd.readouterr().err


def _signals(data: Any) -> list[dict[str, Any]]:
    found = data["signals"]
    return [{"name": name, **each} for name, each in found.items()] if isinstance(found, dict) else found


def test_a_missing_package_is_one_line(made: Made, cache: Path) -> None:
    code = (
        "import sys\nsys.modules['peft'] = None\nfrom lora_doctor.cli import main\n"
        "main(['diagnose', sys.argv[1], '--base'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(made.run)], capture_output=True, text=True, env=dict(os.environ)
    )
    assert done.returncode == 2
    line = "lora-doctor: asking the base model needs peft: pip install 'lora-doctor[data,train]'"
    assert done.stderr.strip().splitlines()[-1] == line
