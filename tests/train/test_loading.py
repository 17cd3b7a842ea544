"""Number formats, offload and swapping: the same mathematics, to the format's digits."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lora_doctor.source.document import SourceError
from lora_doctor.train.adapters import inject, trainable
from lora_doctor.train.families import Family, Models, collate
from lora_doctor.train.job import Adapter, Job, Memory, Model, Precision, Training
from lora_doctor.train.loading import load, load_folder
from lora_doctor.train.storage import FP8, blocks_of, store_as

EXACT = Precision("fp32", "fp32", "fp32")
PLAIN = Memory(gradient_checkpointing=False)
NAMES = ("klein", "sana", "sdxl")


@pytest.fixture
def folders(klein_folder: Path, sana_folder: Path, sdxl_folder: Path) -> dict[str, Path]:
    return dict(zip(NAMES, (klein_folder, sana_folder, sdxl_folder)))


def loaded(folder: Path, precision: Precision, memory: Memory) -> tuple[Family, Models]:
    from lora_doctor.train.families import family_of

    job = Job(Path(), Model(folder, family_of(folder).ID), (), Training(1), precision=precision, memory=memory)
    return load(job, "cpu")


def gradient(family: Family, models: Models) -> Tensor:
    """The adapter's gradient after one step's loss, in one vector."""
    inject(family, models, Adapter(rank=2, alpha=2))
    generator = torch.Generator().manual_seed(0)
    for parameter in trainable(family, models).values():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.05
    size = (2, 16, 8, 8) if models.layers else (2, 4, 16, 16)
    latents, noise = torch.randn((2, *size), generator=generator).unbind(0)
    levels = family.levels_at(models, torch.tensor([0.3, 0.8]))
    prompts = collate(family.encode_prompts(models, ["a ring", "a star"]))
    models.denoiser.train()
    predicted = family.predict(models, family.noisy(models, latents, noise, levels), levels, prompts)
    loss = ((predicted - family.target(models, latents, noise, levels)) ** 2).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    return torch.cat([p.grad.flatten() for p in trainable(family, models).values() if p.grad is not None])


def away(mine: Tensor, exact: Tensor) -> float:
    return float((mine - exact).norm() / exact.norm())


@pytest.mark.parametrize(
    "precision, memory, most",
    [
        (EXACT, Memory(), 0),
        (EXACT, Memory(blocks_to_swap=2, offload=True), 0),
        (Precision("fp32", "bf16", "bf16"), Memory(), 0.02),
        (Precision("bf16", "bf16", "bf16"), Memory(), 0.05),
        (Precision("bf16", "fp32", "bf16"), Memory(), 0.05),
        (Precision("bf16", "fp8", "fp8"), Memory(), 0.2),
        (Precision("fp16", "fp8", "fp8"), Memory(blocks_to_swap=1), 0.2),
        (Precision("bf16", "fp8", "bf16"), Memory(gradient_checkpointing=False), 0.2),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_gradients_to_the_formats_digits(
    folders: dict[str, Path], name: str, precision: Precision, memory: Memory, most: float
) -> None:
    exact = gradient(*loaded(folders[name], EXACT, PLAIN))
    family, models = loaded(folders[name], precision, memory)
    assert away(gradient(family, models), exact) <= most
    image = family.sample(models, ["a ring"], [1], steps=1, size=(64, 64))[0]
    assert image.size == (64, 64)


def test_fp8_halves_what_bf16_takes(klein_folder: Path) -> None:
    def size(models: Models) -> int:
        return sum(p.numel() * p.itemsize for block in blocks_of(models.denoiser) for p in block.parameters())

    wide = size(loaded(klein_folder, Precision("bf16", "bf16", "bf16"), Memory())[1])
    small = size(loaded(klein_folder, Precision("bf16", "fp8", "bf16"), Memory())[1])
    assert small < 0.55 * wide


def test_a_scale_per_output_keeps_fp8s_digits() -> None:
    layer: Any = torch.nn.Linear(64, 64)
    with torch.no_grad():
        layer.weight *= torch.logspace(-6, 0, 64).view(-1, 1)  # outputs of very different size
    exact = layer.weight.detach().clone()
    store_as(torch.nn.Sequential(layer), FP8, torch.float32)
    relative = ((layer.weight - exact).norm(dim=1) / exact.norm(dim=1)).max()
    assert relative < 0.04  # half of e4m3's last digit is 1/16 of the number at most; without scales rows vanish
    assert layer.parametrizations.weight.original.dtype == FP8


def test_swapped_weights_lie_in_main_memory_and_adapters_do_not(klein_folder: Path) -> None:
    family, models = loaded(klein_folder, EXACT, Memory(blocks_to_swap=2))
    last, first = blocks_of(models.denoiser)[-1], blocks_of(models.denoiser)[0]
    assert any(getattr(m, "away", False) for m in last.modules())
    assert not any(getattr(m, "away", False) for m in first.modules())
    inject(family, models, Adapter(rank=2, alpha=2))
    assert all(isinstance(p, torch.nn.Parameter) for p in trainable(family, models).values())
    assert not [n for n in trainable(family, models) if "original" in n], "no frozen weight is trained"


def test_everything_is_frozen_and_the_vae_is_exact(folders: dict[str, Path]) -> None:
    for folder in folders.values():
        _, models = load_folder(folder, dtype="bf16")
        parts: list[Any] = [models.denoiser, models.vae, *models.text_encoders]
        assert not any(p.requires_grad for part in parts for p in part.parameters())
        assert models.vae.dtype == torch.float32
        assert models.dtype == models.denoiser.dtype == torch.bfloat16


def test_another_vae_and_encoder(klein_folder: Path, tmp_path: Path) -> None:
    for part in ("vae", "text_encoder"):
        shutil.copytree(klein_folder / part, tmp_path / part)
    from safetensors.torch import load_file, save_file

    weights = tmp_path / "vae" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    save_file({key: value * 2 for key, value in tensors.items()}, weights, {"format": "pt"})
    model = Model(klein_folder, "flux2-klein", None, tmp_path / "text_encoder", tmp_path / "vae")
    _, models = load(Job(Path(), model, (), Training(1), precision=EXACT), "cpu")
    assert torch.equal(models.vae.bn.running_mean, tensors["bn.running_mean"] * 2)


def test_a_folder_with_fp16_names_only(sdxl_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sdxl"
    shutil.copytree(sdxl_folder, folder)
    for path in folder.rglob("*.safetensors"):
        path.rename(path.with_name(path.name.replace(".safetensors", ".fp16.safetensors")))
    family, models = load_folder(folder)
    assert family.ID == "sdxl"
    assert models.side == 64


def test_a_broken_micro_file(klein_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(klein_folder, tmp_path / "klein")
    (tmp_path / "klein" / "lora_doctor.json").write_text("{")
    with pytest.raises(SourceError, match=r"lora_doctor\.json cannot be read"):
        load_folder(tmp_path / "klein")
    (tmp_path / "klein" / "lora_doctor.json").write_text(json.dumps([1]))
    load_folder(tmp_path / "klein")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("precision", [Precision("fp32", "int8", "fp32"), Precision("fp32", "fp32", "nf4")])
def test_quantised_weights_need_a_gpu(klein_folder: Path, precision: Precision) -> None:
    with pytest.raises(SourceError, match=r"`precision\.(base|text_encoder)`: .* and there is none: fp8 or bf16"):
        loaded(klein_folder, precision, PLAIN)
