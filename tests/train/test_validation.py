"""Sample images of a real run on a tiny pipeline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from lora_doctor.train.folder import RunFolder, read_rows
from lora_doctor.train.job import Job, Validation
from lora_doctor.train.validation import Samples

from .running import run, saved, small_job

pytestmark = pytest.mark.filterwarnings("ignore:.*kernels-community.*")


def _rows(job: Job) -> list[dict[str, Any]]:
    return read_rows(RunFolder(job.output).samples)


@pytest.fixture(scope="module")
def done(klein_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Job:
    job = small_job(tmp_path_factory.mktemp("samples"), klein_folder)
    run(job, [Samples(print)])
    return job


def test_the_matrix_is_drawn_from_the_base_model_on(done: Job) -> None:
    rows = _rows(done)
    whole = [row for row in rows if row["strength"] == 1.0]
    assert {row["step"] for row in whole} == {0, 2, 4}
    slots = [row["slot"] for row in whole if row["step"] == 0]
    assert slots[::2] == [
        "training-0",
        "training-1",
        "novel-0",
        "novel-1",
        "style-0",
        "class-0",
        "class-1",
        "unrelated-0",
    ]
    for step in (0, 2, 4):
        assert [(row["slot"], row["prompt"], row["seed"]) for row in whole if row["step"] == step] == [
            (row["slot"], row["prompt"], row["seed"]) for row in whole if row["step"] == 0
        ]
    assert {row["seed"] for row in rows} == {42, 43}


def test_strengths_are_swept_at_the_end_alone(done: Job) -> None:
    swept = [row for row in _rows(done) if row["strength"] != 1.0]
    assert {row["step"] for row in swept} == {4}
    assert {(row["slot"], row["strength"]) for row in swept} == {
        (slot, value) for slot in ("training-0", "training-1", "novel-0", "novel-1") for value in (0.5, 2.0)
    }


def test_what_a_picture_shows_stands_in_it(done: Job) -> None:
    for row in _rows(done):
        with Image.open(done.output / row["file"]) as image:
            assert image.size == (64, 64)
            text = image.text
        assert text["prompt"] == row["prompt"]
        assert {name: json.loads(text[name]) for name in ("seed", "strength", "step", "sampler_steps")} == {
            name: row[name] for name in ("seed", "strength", "step", "sampler_steps")
        }
        assert row["flat"] is False
    assert (done.output / "samples/step-000002/novel-0-1.png").is_file()
    assert (done.output / "samples/step-000004/novel-0-0-strength-0.5.png").is_file()


def _picture(job: Job, name: str) -> bytes:
    with Image.open(job.output / "samples" / name) as image:
        return bytes(image.convert("RGB").tobytes())


def test_pictures_change_with_training_with_seeds_and_with_strength(done: Job) -> None:
    assert _picture(done, "step-000000/novel-0-0.png") != _picture(done, "step-000004/novel-0-0.png")
    assert _picture(done, "step-000000/novel-0-0.png") != _picture(done, "step-000000/novel-0-1.png")
    assert _picture(done, "step-000004/novel-0-0.png") != _picture(done, "step-000004/novel-0-0-strength-2.png")


@pytest.mark.parametrize("family", ["flux2-klein", "sana", "sdxl"])
def test_a_run_is_the_same_with_and_without_watchers(
    family: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    model = request.getfixturevalue({"flux2-klein": "klein_folder"}.get(family, f"{family}_folder"))
    watched, alone = (small_job(tmp_path / name, model, family) for name in ("watched", "alone"))
    run(watched, [Samples(print)])
    run(alone)
    for step in (2, 4):
        left, right = saved(watched, step), saved(alone, step)
        assert left.keys() == right.keys()
        assert all(torch.equal(left[name], right[name]) for name in left)
    assert len(_rows(watched)) == 3 * 16 + 8


def test_user_prompts_and_no_images_between(klein_folder: Path, tmp_path: Path) -> None:
    wishes = Validation(("[trigger] on the moon",), 0, 0, 1.0, 2, (32, 64), strengths=(1.0,))
    job = small_job(tmp_path, klein_folder, validation=wishes)
    run(job, [Samples(print)])
    rows = _rows(job)
    assert {row["step"] for row in rows} == {0, 4}
    assert [row["prompt"] for row in rows if row["kind"] == "user"] == ["zwx on the moon"] * 4
    assert {tuple(row["size"]) for row in rows} == {(32, 64)}
    with Image.open(job.output / rows[0]["file"]) as image:
        assert image.size == (32, 64)


def test_a_lora_that_goes_on_shows_the_base_too(done: Job, tmp_path: Path) -> None:
    start = RunFolder(done.output).checkpoint(4) / "pytorch_lora_weights.safetensors"
    job = small_job(tmp_path, done.model.path)
    job = job._replace(adapter=job.adapter._replace(start_from=start))
    run(job, [Samples(print)])
    first = [row for row in _rows(job) if row["step"] == 0]
    assert {row["strength"] for row in first} == {0.0, 1.0}
    assert _picture(job, "step-000000/novel-0-0-strength-0.png") == _picture(done, "step-000000/novel-0-0.png")
    assert _picture(job, "step-000000/novel-0-0.png") == _picture(done, "step-000004/novel-0-0.png")


def test_lack_of_memory_ends_the_samples_not_the_run(klein_folder: Path, tmp_path: Path) -> None:
    said: list[str] = []
    huge = Validation(every_steps=2, held_out=0, sampler_steps=1, size=(1_600_000, 1_600_000))
    job = small_job(tmp_path, klein_folder, validation=huge)
    end = run(job, [Samples(said.append)])
    assert end.status == "finished"
    assert len(said) == 1
    assert "no more sample images" in said[0]
    assert "training goes on" in said[0]


def test_going_on_draws_nothing_twice(klein_folder: Path, tmp_path: Path) -> None:
    job = small_job(tmp_path, klein_folder)
    run(job, [Samples(print)])
    before = {row["file"]: (job.output / row["file"]).stat().st_mtime_ns for row in _rows(job)}
    from lora_doctor.train.start import train
    from lora_doctor.train.watch import Watchers

    train(job, Watchers((Samples(print),)), print, RunFolder(job.output).checkpoint(2))
    after = {row["file"]: (job.output / row["file"]).stat().st_mtime_ns for row in _rows(job)}
    assert len(_rows(job)) == len(before)
    assert all(before[name] == time for name, time in after.items() if "step-000004" not in name)
