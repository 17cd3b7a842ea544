"""The wrong text encoder and the wrong VAE, told from files whose names say nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.models.files import denoiser, qwen3, vae, write

CONFIG = """\
output_dir = "out"
dataset = "dataset.toml"
epochs = 10
save_every_n_epochs = 1
[model]
type = "flux2"
diffusion_model = "models/a.safetensors"
vae = "models/b.safetensors"
text_encoders = [{path = "models/c.safetensors", type = "flux2"}]
dtype = "bfloat16"
"""


def _lint(folder: Path) -> set[str]:
    command = [sys.executable, "-m", "lora_doctor", "lint", "--format", "json", "config.toml"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 1, run.stderr
    return {finding["rule"] for finding in json.loads(run.stdout)["findings"]}


@pytest.mark.parametrize("hidden, mismatch", [(2560, True), (4096, False)], ids=["4B encoder", "8B encoder"])
def test_the_encoder_of_the_other_klein(tmp_path: Path, hidden: int, mismatch: bool) -> None:
    write(tmp_path / "models/a.safetensors", denoiser("flux2-klein-9b", "native"))
    write(tmp_path / "models/b.safetensors", vae(32))
    write(tmp_path / "models/c.safetensors", qwen3(hidden))
    (tmp_path / "config.toml").write_text(CONFIG, encoding="utf-8")
    rules = _lint(tmp_path)
    assert ("text-encoder-mismatch" in rules) == mismatch
    assert "vae-of-another-model" not in rules


def test_the_vae_of_flux1(tmp_path: Path) -> None:
    write(tmp_path / "models/a.safetensors", denoiser("flux2-klein-4b", "native"))
    write(tmp_path / "models/b.safetensors", vae(16))
    write(tmp_path / "models/c.safetensors", qwen3(2560))
    (tmp_path / "config.toml").write_text(CONFIG, encoding="utf-8")
    rules = _lint(tmp_path)
    assert "vae-of-another-model" in rules
    assert "text-encoder-mismatch" not in rules
