"""A config that trains on from a LoRA: lint looks at that file's header."""

from __future__ import annotations

from pathlib import Path

from lora_doctor.lint import lint_file

from .samples import made

CONFIG = """
output_dir = "out"
dataset = "dataset.toml"
epochs = 10
save_every_n_epochs = 1
[model]
type = "flux2"
diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
vae = "/models/flux2-vae.safetensors"
text_encoders = [{path = "/models/qwen_3_8b.safetensors", type = "flux2"}]
dtype = "bfloat16"
[adapter]
type = "lora"
rank = 2
init_from_existing = "start"
"""


def linted(folder: Path) -> tuple[set[str], list[str]]:
    config = folder / "train.toml"
    config.write_text(CONFIG)
    result = lint_file(config)
    found = {each.rule.id for each in result.found if each.rule.topic == "adapter"}
    return found, [problem.sentence for problem in result.problems]


def start(folder: Path, model: str) -> Path:
    (folder / "start").mkdir()
    return made(folder / "start", "adapter_model", model=model, format="comfyui", targets="single_blocks.0").file.path


def test_the_right_start(tmp_path: Path) -> None:
    start(tmp_path, "flux2-klein-9b")
    assert linted(tmp_path) == (set(), [])


def test_start_of_another_size(tmp_path: Path) -> None:
    start(tmp_path, "flux2-klein-4b")
    assert linted(tmp_path) == ({"made-for-another-model"}, [])


def test_damaged_start(tmp_path: Path) -> None:
    path = start(tmp_path, "flux2-klein-9b")
    path.write_bytes(path.read_bytes()[:-1])
    found, problems = linted(tmp_path)
    assert found == set()
    assert len(problems) == 1
    assert "adapter.init_from_existing" in problems[0]
    assert "truncated" in problems[0]


def test_start_that_is_not_here(tmp_path: Path) -> None:
    assert linted(tmp_path) == (set(), [])
