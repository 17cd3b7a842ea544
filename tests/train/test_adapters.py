"""Adapters on the tiny pipelines: exact targets, strengths, files that other programs load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors import safe_open
from torch import Tensor

from lora_doctor.adapter.facts import examine
from lora_doctor.train import exports
from lora_doctor.train.adapters import inject, restore, state, strength, trainable
from lora_doctor.train.families import Family, Models, collate, evaluating
from lora_doctor.train.folder import WEIGHTS
from lora_doctor.train.job import Adapter, Job, Model, Precision, Saving, Training
from lora_doctor.train.loading import load_folder
from lora_doctor.train.targets import UnfitError, exactly, said

NAMES = ("klein", "sana", "sdxl")


@pytest.fixture
def folders(klein_folder: Path, sana_folder: Path, sdxl_folder: Path) -> dict[str, Path]:
    return dict(zip(NAMES, (klein_folder, sana_folder, sdxl_folder)))


def trained(folder: Path, adapter: Adapter, seed: int = 0) -> tuple[Family, Models]:
    """A model with an adapter that is not zero."""
    family, models = load_folder(folder)
    inject(family, models, adapter)
    generator = torch.Generator().manual_seed(seed)
    for parameter in trainable(family, models).values():
        parameter.data += torch.randn(parameter.shape, generator=generator) * 0.05
    return family, models


@torch.no_grad()
def prediction(family: Family, models: Models) -> Tensor:
    prompts = collate(family.encode_prompts(models, ["a red ring", "a star"]))
    size = (2, 16, 8, 8) if models.layers else (2, 4, 16, 16)
    noisy = torch.randn(size, generator=torch.Generator().manual_seed(1))
    return family.predict(models, noisy, family.levels_at(models, torch.tensor([0.3, 0.8])), prompts)


@pytest.mark.parametrize("kind", ["lora", "dora", "lokr", "loha"])
@pytest.mark.parametrize("name", NAMES)
def test_strength(folders: dict[str, Path], name: str, kind: str) -> None:
    family, models = load_folder(folders[name])
    base = prediction(family, models)
    adapter = Adapter(kind, rank=4, alpha=4, text_encoder=name == "sdxl")
    inject(family, models, adapter)
    if kind != "dora":  # its magnitudes are norms, whose division rounds
        assert torch.equal(prediction(family, models), base), "a fresh adapter changes nothing"
    assert torch.allclose(prediction(family, models), base, atol=1e-5)
    family, models = trained(folders[name], adapter)
    full = prediction(family, models)
    weights = trainable(family, models)
    assert not torch.allclose(full, base, atol=1e-4)
    with strength(models, 0):
        assert torch.equal(prediction(family, models), base), "bit by bit"
        assert not trainable(family, models), "nothing of a switched-off adapter is trained"
    with strength(models, 0.5):
        half = prediction(family, models)
    assert 0.2 < (half - base).norm() / (full - base).norm() < 0.95
    assert torch.equal(prediction(family, models), full), "and back"
    assert trainable(family, models).keys() == weights.keys()


def test_klein_presets_name_the_fused_projections(klein_folder: Path) -> None:
    family, models = load_folder(klein_folder)
    found = inject(family, models, Adapter(targets="attention", rank=4, alpha=4))["transformer"]
    single = {m.name for m in found.modules if m.name.startswith("single_transformer_blocks.0.")}
    assert single == {f"single_transformer_blocks.0.attn.{layer}" for layer in ("to_out", "to_qkv_mlp_proj")}
    assert found.blocks_reached == found.blocks_total == 3
    assert said(found, 12) == (
        "the adapter sits on 12 of 25 layers in 3 of 3 blocks, which hold 46.3% of the weights; 12 numbers are trained"
    )
    family, models = load_folder(klein_folder)
    assert inject(family, models, Adapter(targets="seed"))["transformer"].blocks_reached == 1


def test_a_container_of_the_same_name_is_left_alone(klein_folder: Path) -> None:
    """PEFT refuses `to_out` on FLUX.2, half of its layers injected: the double blocks' is a list."""
    family, models = load_folder(klein_folder)
    found = inject(family, models, Adapter(targets=("to_out",)))["transformer"]
    assert {m.name for m in found.modules} == {f"single_transformer_blocks.{i}.attn.to_out" for i in range(2)}


def test_names_that_are_endings_of_others_become_an_expression() -> None:
    assert exactly(["a.q"], ["a.q", "b.k"]) == ["a.q"]
    assert exactly(["proj", "q"], ["proj", "block.proj", "q"]) == "proj|q"


def test_ranks_alphas_and_scales(klein_folder: Path) -> None:
    family, models = load_folder(klein_folder)
    adapter = Adapter(rank=4, alpha=8, rslora=True, rank_pattern={"to_q": 16}, alpha_pattern={"to_k": 2.0})
    inject(family, models, adapter)
    scales = {n: m.scaling["default"] for n, m in models.denoiser.named_modules() if isinstance(m, BaseTunerLayer)}
    block = "transformer_blocks.0.attn"
    assert [scales[f"{block}.to_{x}"] for x in "qkv"] == [8 / 4, 2 / 2, 8 / 2]
    assert state(family, models)[f"transformer.{block}.to_q.lora_A.weight"].shape[0] == 16


def test_weights_are_fp32_and_begin_alike_everywhere(klein_folder: Path) -> None:
    made: list[dict[str, Tensor]] = []
    for dtype in ("fp32", "bf16"):
        family, models = load_folder(klein_folder, dtype=dtype)
        torch.manual_seed(99 if made else 1)
        inject(family, models, Adapter(rank=4, alpha=4), seed=3)
        made.append(state(family, models))
        assert {p.dtype for p in trainable(family, models).values()} == {torch.float32}
    keys = [key for key in made[0] if "lora_A" in key]
    assert all(torch.allclose(made[0][key], made[1][key], atol=1e-2) for key in keys)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_layers_give_what_pefts_give(folders: dict[str, Path], name: str, dtype: str) -> None:
    """Forward and backward, with the adapter's dropout, in its own format and in the base's."""
    from peft.tuners import lora

    from lora_doctor.train.layer import Linear

    family, models = load_folder(folders[name], dtype=dtype)
    inject(family, models, Adapter(rank=4, alpha=8, dropout=0.5), dtype="fp32")
    layer = next(each for each in models.denoiser.modules() if isinstance(each, Linear))
    layer.lora_B["default"].weight.data.normal_()
    found = []
    for kind in (Linear, lora.Linear):
        layer.__class__ = kind
        torch.manual_seed(0)
        x = torch.randn(2, 3, layer.in_features).to(layer.base_layer.weight.dtype).requires_grad_()
        made = layer.train()(x)
        inputs = [x, *layer.lora_A.parameters(), *layer.lora_B.parameters()]
        grads = torch.autograd.grad(made.float().square().sum(), inputs)
        found.append([made, *grads])
    for ours, theirs in zip(*found, strict=True):
        assert ours.dtype == theirs.dtype
        ours, theirs = ours.double(), theirs.double()
        assert torch.linalg.norm(ours - theirs) <= (1e-2 if dtype == "bf16" else 1e-6) * torch.linalg.norm(theirs)


def test_injection_leaves_the_random_numbers_alone(klein_folder: Path) -> None:
    family, models = load_folder(klein_folder)
    before = torch.get_rng_state()
    inject(family, models, Adapter(rank=4, alpha=4))
    assert torch.equal(before, torch.get_rng_state())


def test_dropout_outlives_a_sample(klein_folder: Path) -> None:
    """The base is in evaluation mode, the adapter's dropout is not: sampling must leave both as they were."""
    family, models = trained(klein_folder, Adapter(rank=4, alpha=4, dropout=0.5))
    assert not torch.equal(prediction(family, models), prediction(family, models))
    family.sample(models, ["a ring"], [1], steps=1, size=(64, 64))
    assert not torch.equal(prediction(family, models), prediction(family, models))
    with evaluating(models.denoiser):
        assert torch.equal(prediction(family, models), prediction(family, models))
    assert not models.denoiser.training


def test_text_encoders_learn_through_their_prompts(sdxl_folder: Path) -> None:
    family, models = trained(sdxl_folder, Adapter(rank=2, alpha=2, text_encoder=True))
    prompts = collate(family.encode_prompts(models, ["a ring", "a star"]))
    noisy = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    family.predict(models, noisy, torch.tensor([10, 500]), prompts).square().mean().backward()  # type: ignore[no-untyped-call]
    assert {name.partition(".")[0] for name in trainable(family, models)} == {"unet", "text_encoder", "text_encoder_2"}
    assert not [name for name, p in trainable(family, models).items() if p.grad is None], "nothing idle is trained"


def test_state_goes_back(klein_folder: Path) -> None:
    family, models = trained(klein_folder, Adapter(rank=4, alpha=4))
    kept, full = {k: v.clone() for k, v in state(family, models).items()}, prediction(family, models)
    family, models = load_folder(klein_folder)
    inject(family, models, Adapter(rank=4, alpha=4))
    restore(family, models, kept)
    assert torch.equal(prediction(family, models), full)
    with pytest.raises(UnfitError, match="which this adapter does not"):
        restore(family, models, {"transformer.nowhere.lora_A.weight": torch.zeros(1)})
    with pytest.raises(UnfitError, match="another rank or model"):
        restore(family, models, {next(iter(kept)): torch.zeros(1, 1)})


@pytest.mark.parametrize("kind", ["lora", "dora"])
@pytest.mark.parametrize("name", NAMES)
def test_diffusers_loads_what_was_trained(folders: dict[str, Path], name: str, kind: str, tmp_path: Path) -> None:
    """The file alone gives the same predictions in the pipeline: ranks, alphas, rsLoRA and text encoders included."""
    adapter = Adapter(
        kind, rank=4, alpha=8, rslora=True, rank_pattern={"to_q": 2}, alpha_pattern={"to_k": 2.0},
        text_encoder=name == "sdxl",
    )  # fmt: skip
    family, models = trained(folders[name], adapter)
    exports.write(family, models, tmp_path / "lora.safetensors", dtype="fp32", metadata={"trigger": "sks"})
    with safe_open(tmp_path / "lora.safetensors", "pt") as file:
        assert file.metadata()["trigger"] == "sks"
        recorded = json.loads(file.metadata()["lora_adapter_metadata"])
        assert any(key.startswith("text_encoder.text_model.") for key in list(file.keys())) == (name == "sdxl")
    assert recorded[f"{family.DENOISER}.lora_alpha"] == 8
    _, fresh = load_folder(folders[name])
    fresh.pipeline.load_lora_weights(str(tmp_path / "lora.safetensors"))
    torch.testing.assert_close(prediction(family, fresh), prediction(family, models), rtol=1e-5, atol=1e-6)


def test_diffusers_loads_the_convolutions_of_sana(sana_folder: Path, tmp_path: Path) -> None:
    """`blocks` reaches its feed-forward layers, 1 x 1 convolutions that `all-linear` leaves alone."""
    adapter = Adapter(rank=4, alpha=8, targets="blocks")
    family, models = trained(sana_folder, adapter)
    exports.write(family, models, tmp_path / "lora.safetensors", dtype="fp32")
    with safe_open(tmp_path / "lora.safetensors", "pt") as file:
        layers = {key.partition(".lora_")[0].rpartition("transformer_blocks.0.")[2] for key in list(file.keys())}
    assert {"attn1.to_q", "attn2.to_out.0", "ff.conv_inverted", "ff.conv_point"} <= layers
    assert "ff.conv_depth" not in layers
    _, fresh = load_folder(sana_folder)
    fresh.pipeline.load_lora_weights(str(tmp_path / "lora.safetensors"))
    torch.testing.assert_close(prediction(family, fresh), prediction(family, models), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["lora", "dora"])
@pytest.mark.parametrize("target", ["comfyui", "kohya"])
@pytest.mark.parametrize("name", ["klein", "sdxl"])
def test_files_of_other_programs_start_a_run_where_the_first_ended(
    folders: dict[str, Path], name: str, target: str, kind: str, tmp_path: Path
) -> None:
    adapter = Adapter(kind, rank=4, alpha=2, text_encoder=name == "sdxl")
    family, models = trained(folders[name], adapter)
    job = Job(tmp_path, Model(folders[name], family.ID), (), Training(1), adapter=adapter)
    job = job._replace(saving=Saving(formats=("diffusers", target)), precision=Precision(save="fp32"))
    assert exports.save(family, models, job, tmp_path) == ()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([WEIGHTS["diffusers"], WEIGHTS[target]])
    again = adapter._replace(start_from=tmp_path / WEIGHTS[target], alpha=4.0)  # another scale, the same product
    family, fresh = load_folder(folders[name])
    inject(family, fresh, again)
    assert "starts from" in exports.begin_from(family, fresh, again)
    assert torch.allclose(prediction(family, fresh), prediction(family, models), atol=1e-5)


def test_a_start_that_does_not_fit(folders: dict[str, Path], tmp_path: Path) -> None:
    family, models = trained(folders["klein"], Adapter(rank=4, alpha=4, targets="seed"))
    exports.write(family, models, tmp_path / "seed.safetensors")
    for adapter, sentence in (
        (Adapter(rank=8, alpha=8, targets="seed"), "another rank or model"),
        (Adapter(rank=4, alpha=4, targets=("to_out.0",)), "which this adapter does not"),
    ):
        wanted = adapter._replace(start_from=tmp_path / "seed.safetensors")
        family, fresh = load_folder(folders["klein"])
        inject(family, fresh, wanted)
        with pytest.raises(UnfitError, match=sentence):
            exports.begin_from(family, fresh, wanted)
    (tmp_path / "no.safetensors").write_bytes(b"<html>")
    with pytest.raises(UnfitError, match="a web page"):
        exports.begin_from(family, fresh, wanted._replace(start_from=tmp_path / "no.safetensors"))


@pytest.mark.parametrize("kind, patterns", [("lokr", {}), ("lokr", {"to_q": 2}), ("loha", {"to_q": 2})])
def test_lycoris_files_mean_the_same_product(
    folders: dict[str, Path], kind: str, patterns: dict[str, int], tmp_path: Path
) -> None:
    """The update that LyCORIS would compute from the file is PEFT's own."""
    family, models = trained(folders["sdxl"], Adapter(kind, rank=4, alpha=8, rank_pattern=patterns))
    path = tmp_path / "a.safetensors"
    exports.write(family, models, path, dtype="fp32")
    found = examine(path)
    assert {layer.kind for layer in found.layers} == {kind}
    with safe_open(path, "pt") as file:
        tensors = {key: file.get_tensor(key) for key in list(file.keys())}
    modules: dict[str, Any] = dict(models.denoiser.named_modules())
    for stem in {key.rpartition(".")[0] for key in tensors}:
        module = modules[stem.removeprefix("unet.")]
        expected = module.get_delta_weight("default")
        assert torch.allclose(lycoris(tensors, stem), expected, atol=1e-5), stem


def lycoris(tensors: dict[str, Tensor], stem: str) -> Tensor:
    """The update as LyCORIS defines it (lycoris/modules/loha.py, lokr.py)."""
    alpha = float(tensors.get(f"{stem}.alpha", torch.tensor(0.0)))
    if f"{stem}.hada_w1_a" in tensors:
        rank = tensors[f"{stem}.hada_w1_b"].shape[0]
        return product(tensors, f"{stem}.hada_w1") * product(tensors, f"{stem}.hada_w2") * (alpha / rank)
    first, second = product(tensors, f"{stem}.lokr_w1"), product(tensors, f"{stem}.lokr_w2")
    ranks = [tensors[key].shape[0] for key in (f"{stem}.lokr_w1_b", f"{stem}.lokr_w2_b") if key in tensors]
    return torch.kron(first, second) * (alpha / ranks[0] if ranks else 1.0)


def product(tensors: dict[str, Tensor], stem: str) -> Tensor:
    return tensors[stem] if stem in tensors else tensors[f"{stem}_a"] @ tensors[f"{stem}_b"]


def test_the_same_adapter_is_the_same_file(klein_folder: Path, tmp_path: Path) -> None:
    family, models = trained(klein_folder, Adapter(rank=4, alpha=4))
    for name in ("a", "b"):
        exports.write(family, models, tmp_path / name, metadata={"step": "1", "lora-doctor": "0", "x": "y", "a": "z"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_what_has_no_form_elsewhere_is_said(folders: dict[str, Path], tmp_path: Path) -> None:
    family, models = trained(folders["sana"], Adapter(rank=4, alpha=4))
    exports.write(family, models, tmp_path / "a.safetensors")
    notes = exports.export(tmp_path / "a.safetensors", "comfyui", tmp_path / "b.safetensors")
    assert notes == ("no comfyui file: cannot be converted: nothing loads SANA in comfyui's names; diffusers does",)
    assert not (tmp_path / "b.safetensors").exists()
