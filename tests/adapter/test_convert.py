"""Conversions keep every bit of every factor, and every part's product where factors have to be joined."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ml_dtypes", reason="conversions need the data extra: pip install 'lora-doctor[data]'")

import numpy as np

from lora_doctor.adapter import names
from lora_doctor.adapter.arrays import Weights
from lora_doctor.adapter.convert import convert
from lora_doctor.adapter.facts import Adapter, examine
from lora_doctor.adapter.identify import BY_ID
from lora_doctor.adapter.read import AdapterError

from .samples import made

TRIPS = [
    ("diffusers", ("comfyui", "kohya", "diffusers")),
    ("comfyui", ("kohya", "diffusers", "comfyui")),
    ("kohya", ("diffusers", "comfyui", "kohya")),
]


def converted(adapter: Adapter, target: str, folder: Path, name: str = "converted") -> Adapter:
    out = folder / f"{name}.safetensors"
    convert(adapter, target, out, overwrite=True)
    return examine(out)


def factors(adapter: Adapter) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """Every tensor but alpha, bit by bit."""
    with Weights(adapter.file) as weights:
        return {
            tensor.name: (tensor.info.dtype, tensor.info.shape, bytes(weights.raw(tensor)))
            for layer in adapter.layers
            for role, tensor in layer.tensors.items()
            if role != "alpha"
        }


def products(adapter: Adapter) -> dict[str, Any]:
    """scale·B·A of every diffusers layer in every 37th column, in double precision: sums of bfloat16 products are
    exact in it."""
    found = {}
    naming = BY_ID[adapter.identity.candidates[0]].naming
    with Weights(adapter.file) as weights:
        for layer, scale in zip(adapter.layers, adapter.scales.trained):
            place = names.find(naming, layer.name)
            assert place is not None
            down = weights.array(layer.tensors["down"]).astype(np.float64)
            up = weights.array(layer.tensors["up"]).astype(np.float64)
            whole = scale * (up.reshape(up.shape[0], -1) @ down.reshape(down.shape[0], -1)[:, ::37])
            if place.naming == "native" and place.pair.swapped:
                whole = np.roll(whole, whole.shape[0] // 2, axis=0)
            parts = place.pair.parts if place.whole else (place.dotted,)
            rows = whole.shape[0] // len(parts)
            if len(parts) == 4:
                edges = [0, *(rows_of(layer.inputs, i) for i in (1, 2, 3)), whole.shape[0]]
            else:
                edges = [rows * i for i in range(len(parts) + 1)]
            found.update({p: whole[a:b] for p, a, b in zip(parts, edges, edges[1:])})
    return found


def rows_of(inputs: int | None, count: int) -> int:
    return (inputs or 0) * count


@pytest.mark.parametrize("model", ["flux2-klein-4b", "flux2-klein-9b", "flux1-dev"])
@pytest.mark.parametrize("start, way", TRIPS)
@pytest.mark.parametrize("rank", [1, 3])
def test_there_and_back(tmp_path: Path, model: str, start: str, way: tuple[str, ...], rank: int) -> None:
    targets = r"blocks\.[01]\.|final_layer|norm_out|_in\b|embed|modulation"
    alpha = 1.0 if start == "kohya" else None
    first = made(tmp_path, model=model, format=start, targets=targets, rank=rank, alpha=alpha)
    last = first
    for step, target in enumerate(way):
        last = converted(last, target, tmp_path, str(step))
        assert last.label == first.label
    assert factors(last) == factors(first)
    assert last.scales.trained == first.scales.trained


@pytest.mark.parametrize("start, way", [("kohya", ("diffusers", "kohya")), ("unet", ("kohya", "diffusers"))])
def test_unet_there_and_back(tmp_path: Path, start: str, way: tuple[str, ...]) -> None:
    encoder = {
        "kohya": "lora_te1_text_model_encoder_layers_3_mlp_fc1.lora_{}.weight",
        "unet": "text_encoder.text_model.encoder.layers.3.mlp.fc1.lora_{}.weight",
    }[start]
    down, up = ("down", "up") if start == "kohya" else ("A", "B")
    extra = {encoder.format(down): [2, 768], encoder.format(up): [3072, 2]}
    targets = r"(mid|middle|down|input)_block"
    first = made(tmp_path, model="sdxl", format=start, targets=targets, rank=2, extra=extra)
    last = first
    for step, target in enumerate(way):
        last = converted(last, target, tmp_path, str(step))
    assert factors(last) == factors(first)


@pytest.mark.parametrize("start", ["diffusers", "comfyui", "kohya"])
@pytest.mark.parametrize("target", ["diffusers", "comfyui", "kohya"])
@pytest.mark.parametrize("model", ["flux2-klein-4b", "flux1-dev"])
def test_products_are_unchanged(tmp_path: Path, model: str, start: str, target: str) -> None:
    targets = r"blocks\.0\.(attn\.(to_|add)|img_attn|linear|proj)|norm_out|final_layer\.ada"
    first = made(tmp_path, model=model, format=start, targets=targets, rank=3, alpha=2.0 if start == "kohya" else None)
    before, after = products(first), products(converted(first, target, tmp_path))
    assert before.keys() == after.keys()
    assert len(before) >= 5
    for name, product in before.items():
        assert np.array_equal(product, after[name]), name


@pytest.mark.parametrize("parts", ["to_[qk]$", "to_q$", "to_v$", "to_[qv]$"])
@pytest.mark.parametrize("rank", [2, 3])
def test_some_parts_of_a_fused_layer(tmp_path: Path, parts: str, rank: int) -> None:
    first = made(tmp_path, model="flux2-klein-4b", targets=rf"^transformer_blocks\.0\.attn\.{parts}", rank=rank)
    fused = converted(first, "comfyui", tmp_path, "fused")
    assert [layer.name for layer in fused.layers] == ["double_blocks.0.img_attn.qkv"]
    assert factors(converted(fused, "diffusers", tmp_path)) == factors(first)


def test_shared_down_matrix_is_not_tripled(tmp_path: Path) -> None:
    first = made(tmp_path, model="flux2-klein-4b", format="comfyui", targets="blocks.0.img_attn.qkv", rank=4)
    again = converted(converted(first, "diffusers", tmp_path, "split"), "comfyui", tmp_path)
    assert again.ranks == (4,)


def test_alpha_moves(tmp_path: Path) -> None:
    first = made(tmp_path, model="flux2-klein-4b", format="kohya", targets="single_blocks.0", rank=4, alpha=1.0)
    split = converted(first, "diffusers", tmp_path, "d")
    assert split.scales.source == "metadata"
    assert not any("alpha" in layer.tensors for layer in split.layers)
    recorded = json.loads(split.file.metadata["lora_adapter_metadata"])
    assert (recorded["transformer.r"], recorded["transformer.lora_alpha"]) == (4, 1)
    native = converted(split, "comfyui", tmp_path, "c")
    assert (native.scales.source, native.scales.distinct) == ("tensors", (0.25,))
    assert "lora_adapter_metadata" not in native.file.metadata


def test_scale_one_needs_no_alpha_in_comfyui(tmp_path: Path) -> None:
    first = made(tmp_path, model="flux2-klein-4b", targets=r"single_transformer_blocks\.0", rank=4)
    native = converted(first, "comfyui", tmp_path, "c")
    assert native.scales.source == "nowhere"
    row = native.loads_in("diffusers")
    assert row is not None
    assert row.fine
    assert converted(native, "kohya", tmp_path, "k").scales.source == "tensors"


def test_dora(tmp_path: Path) -> None:
    first = made(tmp_path, model="flux2-klein-4b", format="comfyui", targets="double_blocks.0.img", dora=True, rank=3)
    split = converted(first, "diffusers", tmp_path, "d")
    assert json.loads(split.file.metadata["lora_adapter_metadata"])["transformer.use_dora"] is True
    assert {layer.tensors["magnitude"].info.shape for layer in split.layers if "to_q" in layer.name} == {(3072,)}
    assert factors(converted(split, "comfyui", tmp_path)) == factors(first)


def test_lokr_and_loha_change_names_only(tmp_path: Path) -> None:
    for kind in ("lokr", "loha"):
        first = made(tmp_path, kind, model="flux2-klein-4b", format="comfyui", kind=kind, targets="blocks.0", rank=1)
        assert factors(converted(converted(first, "kohya", tmp_path, "k"), "comfyui", tmp_path)) == factors(first)
        with pytest.raises(AdapterError, match="resize"):
            convert(first, "diffusers", tmp_path / "no.safetensors")


def test_metadata_stays(tmp_path: Path) -> None:
    first = made(tmp_path, model="flux2-klein-4b", targets="single_transformer_blocks.0", metadata={"trigger": "zwx"})
    assert converted(first, "kohya", tmp_path).file.metadata["trigger"] == "zwx"


BIAS = {"transformer.single_transformer_blocks.0.attn.to_out.lora_B.bias": [3072]}


def test_a_bias_is_never_lost(tmp_path: Path) -> None:
    """PEFT's lora_bias: only diffusers' names hold it; merging and resizing would drop it."""
    from lora_doctor.adapter.combine import average, bake, resize

    targets = r"^single_transformer_blocks\.0\.attn\.to_out"
    recorded = {"lora_adapter_metadata": '{"transformer.r": 2, "transformer.lora_alpha": 8}'}
    first = made(tmp_path, model="flux2-klein-4b", targets=targets, extra=BIAS, dtype="F32", metadata=recorded)
    out = tmp_path / "b.safetensors"
    for target in ("kohya", "comfyui"):
        with pytest.raises(AdapterError, match="bias"):
            convert(first, target, out)
    with pytest.raises(AdapterError, match="bias"):
        resize(first, out, rank=1)
    with pytest.raises(AdapterError, match="bias"):
        average([first, first], out)
    assert not out.exists()
    again = converted(first, "diffusers", tmp_path)
    assert factors(again) == factors(first)
    assert json.loads(again.file.metadata["lora_adapter_metadata"])["transformer.lora_bias"] is True
    bake(first, out)
    baked = examine(out)
    with Weights(first.file) as before, Weights(baked.file) as after:
        old, new = first.layers[0].tensors["bias"], baked.layers[0].tensors["bias"]
        assert np.array_equal(after.array(new), before.array(old) * 4)


def test_text_encoder_of_klein_has_kohyas_names_in_comfyui(tmp_path: Path) -> None:
    stem = "text_encoder.model.layers.0.self_attn.q_proj.lora_{}.weight"
    extra = {stem.format("A"): [2, 2560], stem.format("B"): [4096, 2]}
    first = made(tmp_path, model="flux2-klein-4b", targets="single_transformer_blocks.0", extra=extra)
    for target in ("kohya", "comfyui"):
        row = converted(first, target, tmp_path, target).loads_in("ComfyUI")
        assert row is not None
        assert row.fine


def test_text_encoder_of_klein_is_left_out_and_told(tmp_path: Path) -> None:
    stem = "text_encoder.layers.0.self_attn.q_proj.lora_{}.weight"
    extra = {stem.format("A"): [2, 2560], stem.format("B"): [4096, 2]}
    first = made(tmp_path, model="flux2-klein-4b", targets="single_transformer_blocks.0", extra=extra)
    done = convert(first, "diffusers", tmp_path / "k.safetensors")
    assert "1 text encoder layers left out" in done.notes[0]


def test_clip_level_comes_back(tmp_path: Path) -> None:
    stem = "text_encoder.encoder.layers.0.mlp.fc1.lora_{}.weight"
    extra = {stem.format("A"): [2, 768], stem.format("B"): [3072, 2]}
    first = made(tmp_path, model="sdxl", format="unet", targets="mid_block.*attn2", extra=extra)
    kohya = converted(first, "kohya", tmp_path)
    assert "lora_te1_text_model_encoder_layers_0_mlp_fc1.lora_down.weight" in factors(kohya)


def test_sana_has_one_home(tmp_path: Path) -> None:
    first = made(tmp_path, model="sana-1.6b", format="comfyui", targets=r"blocks\.0\.")
    split = converted(first, "diffusers", tmp_path)
    row = split.loads_in("diffusers")
    assert row is not None
    assert row.fine
    with pytest.raises(AdapterError, match="nothing loads SANA"):
        convert(split, "comfyui", tmp_path / "no.safetensors")


def test_unknown_layers_are_refused(tmp_path: Path) -> None:
    extra = {"transformer.mystery.lora_A.weight": [2, 8], "transformer.mystery.lora_B.weight": [8, 2]}
    first = made(tmp_path, model="flux2-klein-4b", targets="^$", extra=extra)
    with pytest.raises(AdapterError):
        convert(first, "comfyui", tmp_path / "no.safetensors")
    assert not (tmp_path / "no.safetensors").exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    first = made(tmp_path, model="flux2-klein-4b", targets="single_transformer_blocks.0")
    out = tmp_path / "b.safetensors"
    out.write_bytes(b"precious")
    with pytest.raises(AdapterError, match="exists already"):
        convert(first, "kohya", out)
    assert out.read_bytes() == b"precious"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.safetensors", "b.safetensors"]


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    first = made(tmp_path, model="flux2-klein-4b", targets="single_transformer_blocks.0")
    first.file.path.write_bytes(first.file.path.read_bytes()[:2000])
    with pytest.raises(AdapterError, match="shorter"):
        convert(first, "kohya", tmp_path / "b.safetensors")
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16"])
def test_reference_reader_reads_what_is_written(tmp_path: Path, dtype: str) -> None:
    safetensors = pytest.importorskip("safetensors", reason="compares with the reference reader")
    first = made(tmp_path, model="flux2-klein-4b", targets="single_transformer_blocks.0", dtype=dtype)
    out = converted(first, "kohya", tmp_path)
    with safetensors.safe_open(out.file.path, "np") as file:
        assert set(file.keys()) == set(out.file.header.tensors)
