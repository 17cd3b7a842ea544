"""Every trainer's folder is recognised, and each file's step, prompt and seed are read from its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from lora_doctor.runs.read import read_run
from lora_doctor.source.document import SourceError

from .folders import SPELLINGS, grown, noisy, picture, scene, told_by, write_events, write_lora, write_run

TRAINERS = {"kohya-epochs": "sd-scripts"}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_trainers_folder(spelling: str, tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", spelling))
    assert run.trainer == TRAINERS.get(spelling, spelling)
    assert [each.step for each in run.checkpoints if not each.final] == [100, 200, 300]
    assert run.axis == "step"
    if SPELLINGS[spelling].sample:
        assert [each.step for each in run.samples] == [step for step in (0, 100, 200, 300) for _ in range(3)]
        assert len({each.slot for each in run.samples}) == 3
    else:
        assert any(gap.what == "sample images" for gap in run.gaps)


def test_epochs_are_steps_where_a_file_knows_both(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path, "kohya-epochs"))
    assert run.samples[3].epoch == 2
    assert run.samples[3].step == 100
    assert [aside.name for aside in run.aside] == ["zwx.safetensors"]
    assert "step 300 too" in run.aside[0].why


def test_the_final_file_is_of_the_last_logged_step(tmp_path: Path) -> None:
    write_run(tmp_path, "diffusers")
    assert read_run(tmp_path).checkpoints[-1].step is None
    write_events(tmp_path / "logs/script/events.out.tfevents.1", [("loss", step, 0.1) for step in (1, 340)])
    run = read_run(tmp_path)
    assert (run.checkpoints[-1].final, run.checkpoints[-1].step) == (True, 340)


def test_epochs_stay_epochs_where_nothing_tells(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path, "kohya-epochs", metadata=lambda step: {}))
    assert run.axis == "epoch"
    assert [each.step for each in run.checkpoints] == [2, 4, 6, None]


def test_diffusion_pipe_epochs(tmp_path: Path) -> None:
    for epoch in (1, 2):
        path = tmp_path / f"20260801_12-00-00/epoch{epoch}/adapter_model.safetensors"
        path.parent.mkdir(parents=True)
        write_lora(path, grown(epoch * 50, "klein"), {"format": "pt"})
    run = read_run(tmp_path)
    assert (run.axis, [each.step for each in run.checkpoints]) == ("epoch", [1, 2])


def test_musubi_is_told_from_sd_scripts_by_its_metadata(tmp_path: Path) -> None:
    assert read_run(write_run(tmp_path / "a", "musubi-tuner")).trainer == "musubi-tuner"
    assert read_run(write_run(tmp_path / "b", "sd-scripts")).trainer == "sd-scripts"


def test_onetrainer_prompts_and_prefixes(tmp_path: Path) -> None:
    write_run(tmp_path, "OneTrainer")
    newer = "samples/0 - a photo of zwx 0/zwx2026-08-01_12-00-00-training-sample-350-7-0.jpg"
    picture(tmp_path / newer, scene(1))
    run = read_run(tmp_path)
    assert run.samples[-1].step == 350
    assert run.samples[-1].prompt == "a photo of zwx 0"


def test_the_config_beside_the_run_tells_prompts_and_seeds(tmp_path: Path) -> None:
    write_run(tmp_path / "out" / "zwx", "ai-toolkit")
    (tmp_path / "images").mkdir()
    picture(tmp_path / "images" / "1.png", scene(5))
    (tmp_path / "out" / "zwx" / "config.yaml").write_text(CONFIG.replace("IMAGES", str(tmp_path / "images")))
    run = read_run(tmp_path / "out" / "zwx")
    assert run.plan is not None
    assert run.plan.steps.value == 300
    assert [each.prompt for each in run.samples[:3]] == ["zwx in a park", "zwx at the sea", "a dog"]
    assert [each.seed for each in run.samples[:3]] == [42, 42, 42]
    assert not any(gap.what == "the training images" for gap in run.gaps)


CONFIG = """\
job: extension
config:
  name: zwx
  process:
    - type: sd_trainer
      training_folder: out
      trigger_word: zwx
      network: {type: lora, linear: 4, linear_alpha: 4}
      datasets:
        - folder_path: IMAGES
          caption_ext: txt
          resolution: [512]
      train: {batch_size: 1, steps: 300, lr: 0.0001, optimizer: adamw}
      model: {name_or_path: black-forest-labs/FLUX.2-klein-base-4B, arch: flux2_klein_4b}
      sample: {prompts: [zwx in a park, zwx at the sea, a dog], seed: 42, walk_seed: true, sample_every: 100}
"""


def test_two_runs_in_one_folder(tmp_path: Path) -> None:
    write_run(tmp_path, "sd-scripts")
    for step in (100, 200):
        write_lora(tmp_path / f"other-step{step:08d}.safetensors", grown(step), told_by("sd-scripts", step))
    run = read_run(tmp_path)
    assert {each.name for each in run.checkpoints} == {"zwx"}
    assert any(aside.name == "other" and "another run" in aside.why for aside in run.aside)


def test_what_is_broken_or_of_another_model_is_set_aside(tmp_path: Path) -> None:
    write_run(tmp_path, "ai-toolkit", steps=(100, 200, 300))
    whole = (tmp_path / "zwx_000000300.safetensors").read_bytes()
    (tmp_path / "zwx_000000400.safetensors").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "zwx_000000500.safetensors").write_bytes(b"")
    write_lora(tmp_path / "zwx_000000600.safetensors", grown(600, "kohya"), {})
    run = read_run(tmp_path)
    assert [each.step for each in run.checkpoints] == [100, 200, 300]
    why = {aside.name: aside.why for aside in run.aside}
    assert set(why) == {f"zwx_000000{step}.safetensors" for step in (400, 500, 600)}
    assert "sdxl" in why["zwx_000000600.safetensors"]


def test_weights_under_another_name_are_told(tmp_path: Path) -> None:
    write_run(tmp_path, "ai-toolkit")
    write_lora(tmp_path / "downloaded.safetensors", grown(5), {})
    assert ("downloaded.safetensors", "has no name of this run's checkpoints") in read_run(tmp_path).aside


def test_a_run_that_is_still_going(tmp_path: Path) -> None:
    write_run(tmp_path, "lora-doctor")
    assert not read_run(tmp_path).running
    (tmp_path / "run.json").write_text('{"status": "running"}')
    assert read_run(tmp_path).running
    (tmp_path / "run.json").write_text("half of a fi")
    assert not read_run(tmp_path).running


def test_a_folder_of_numbered_files(tmp_path: Path) -> None:
    for step in (500, 1000):
        write_lora(tmp_path / f"mine_v2_{step}.safetensors", grown(step), {})
    run = read_run(tmp_path)
    assert (run.trainer, [each.step for each in run.checkpoints]) == ("", [500, 1000])


def test_nothing_to_diagnose(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="neither LoRA checkpoints nor sample images"):
        read_run(tmp_path)
    with pytest.raises(SourceError, match="is no folder"):
        read_run(tmp_path / "missing")
    (tmp_path / "zwx_000000100.safetensors").write_bytes(b"no")
    with pytest.raises(SourceError, match=r"holds no LoRA that can be read: zwx_000000100\.safetensors"):
        read_run(tmp_path)


def test_samples_alone_are_a_run(tmp_path: Path) -> None:
    for slot in range(2):
        picture(tmp_path / f"samples/1754000000000__000000100_{slot}.jpg", noisy(100, slot))
    run = read_run(tmp_path)
    assert (run.trainer, len(run.samples), run.checkpoints) == ("ai-toolkit", 2, ())
