"""The pretraining command: it goes on after a kill as if nothing had happened, and writes plain diffusers folders."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("diffusers")
pytest.importorskip("torch")

import torch
from safetensors.torch import load_file

pytestmark = pytest.mark.slow
SIZE = ("--pictures", "300", "--autoencoder-steps", "2", "--steps", "6", "--batch", "2", "--every", "2")
PARTS = {
    "klein-4b": ("transformer/diffusion_pytorch_model", "text_encoder/model", "vae/diffusion_pytorch_model"),
    "sana": ("transformer/diffusion_pytorch_model", "text_encoder/model", "vae/diffusion_pytorch_model"),
    "sdxl": ("unet/diffusion_pytorch_model", "text_encoder/model", "text_encoder_2/model"),
}


def pretrain(model: str, work: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-W", "ignore", "-m", "lora_doctor.lab.pretrain", model, "--work", str(work), *SIZE]
    return subprocess.Popen([*command, "--device", "cpu", "--plain"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(process: subprocess.Popen[bytes]) -> None:
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors.decode()


def weights(work: Path, model: str) -> dict[str, torch.Tensor]:
    folder = work / model / "pipeline"
    return {f"{part}.{k}": w for part in PARTS[model] for k, w in load_file(folder / f"{part}.safetensors").items()}


def test_a_killed_pretraining_ends_with_the_same_weights(tmp_path: Path) -> None:
    finish(pretrain("klein-4b", tmp_path / "whole"))
    killed = pretrain("klein-4b", tmp_path / "killed")
    while not (tmp_path / "killed/klein-4b/denoiser.pt").exists():
        time.sleep(0.02)
        assert killed.poll() is None
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    finish(pretrain("klein-4b", tmp_path / "killed"))
    whole, resumed = weights(tmp_path / "whole", "klein-4b"), weights(tmp_path / "killed", "klein-4b")
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.parametrize("model", ["sana", "sdxl"])
def test_the_other_families_run_as_plain_diffusers(model: str, tmp_path: Path) -> None:
    finish(pretrain(model, tmp_path))
    script = (
        "import sys, json, torch; from diffusers import DiffusionPipeline as P; p = P.from_pretrained(sys.argv[1]);"
        "k = {'complex_human_instruction': None, 'use_resolution_binning': False, 'max_sequence_length': 28};"
        "k = k if hasattr(p, 'transformer') else {};"
        "print(p(prompt='a red star', height=64, width=64, num_inference_steps=2, output_type='np', **k).images.shape)"
    )
    folder = str(tmp_path / model / "pipeline")
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script, folder], capture_output=True, text=True)
    assert "(1, 64, 64, 3)" in done.stdout, done.stderr
