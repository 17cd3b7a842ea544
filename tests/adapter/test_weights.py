"""Spectra, health, merging, averaging, resizing: against full matrices, which the code under test never forms."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ml_dtypes", reason="weights are read with the data extra: pip install 'lora-doctor[data]'")

import ml_dtypes
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lora_doctor.adapter.arrays import Weights, narrow, widen
from lora_doctor.adapter.combine import Member, average, bake, merge, resize
from lora_doctor.adapter.differ import difference
from lora_doctor.adapter.factors import Product, product, rank_for, singular_values, spectrum, truncate
from lora_doctor.adapter.facts import Adapter, examine
from lora_doctor.adapter.health import measure
from lora_doctor.adapter.picture import heat_line, heat_map
from lora_doctor.adapter.read import AdapterError
from lora_doctor.adapter.series import series_of, step_of
from lora_doctor.adapter.strength import with_ratios
from lora_doctor.adapter.write import Entry, write_file

from .samples import made

ATTENTION = r"down_blocks\.0.*attn1\.to_k"
SD15 = {"model": "sd15", "format": "kohya-diffusers", "targets": ATTENTION}
ONE = r"single_transformer_blocks\.0\.attn\.to_out"


def dense(adapter: Adapter) -> dict[str, Any]:
    """Every layer's change as a full matrix, by the definition of its method."""
    found = {}
    with Weights(adapter.file) as weights:
        for layer, scale in zip(adapter.layers, adapter.scales.trained):
            get = {r: weights.array(t).astype(np.float64) for r, t in layer.tensors.items() if r != "alpha"}
            if layer.kind == "lora":
                up, down = get["up"], get["down"]
                whole = up.reshape(up.shape[0], -1) @ down.reshape(down.shape[0], -1)
            elif layer.kind == "loha":
                whole = (get["hada_w1_a"] @ get["hada_w1_b"]) * (get["hada_w2_a"] @ get["hada_w2_b"])
            else:
                second = get["lokr_w2"].reshape(get["lokr_w2"].shape[0], -1)
                whole = np.kron(get["lokr_w1"], second)
            found[layer.name] = whole * scale
    return found


def small(folder: Path, name: str, layers: dict[str, tuple[Any, Any]], alpha: float | None = None) -> Adapter:
    """A LoRA with Klein's names and little matrices: {layer: (up, down)}."""
    entries = []
    for layer, (up, down) in layers.items():
        stem = f"lora_unet_{layer}"
        for suffix, array in (("lora_down", down), ("lora_up", up)):
            data = np.asarray(array, np.float32)
            entries.append(Entry(f"{stem}.{suffix}.weight", "F32", data.shape, data.tobytes))
        if alpha is not None:
            entries.append(Entry(f"{stem}.alpha", "F32", (), np.float32(alpha).tobytes))
    path = folder / f"{name}.safetensors"
    write_file(path, entries, {"ss_base_model_version": "flux_2_klein_4b"}, overwrite=True)
    return examine(path)


def noise(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


LINEAR1, LINEAR2 = "single_blocks_0_linear1", "single_blocks_0_linear2"


def pair(seed: int, rank: int = 3) -> dict[str, tuple[Any, Any]]:
    return {
        LINEAR1: (noise(seed, 27, rank), noise(seed + 1, rank, 8)),
        LINEAR2: (noise(seed + 2, 8, rank), noise(seed + 3, rank, 12)),
    }


# ---- spectra


SIDES = st.integers(1, 12)


@given(rows=SIDES, columns=SIDES, rank=st.integers(1, 6), seed=st.integers(0, 999), scale=st.floats(-4, 4))
@settings(max_examples=60, deadline=None)
def test_singular_values(rows: int, columns: int, rank: int, seed: int, scale: float) -> None:
    of = Product(noise(seed, rows, rank), noise(seed + 1, rank, columns), scale)
    meant = np.linalg.svd(scale * (of.up.astype(np.float64) @ of.down), compute_uv=False)
    found = singular_values(of)
    shared = min(meant.size, found.size)
    assert np.allclose(found[:shared], meant[:shared], atol=1e-5 * (1 + meant[0]))
    assert np.all(found[shared:] < 1e-5 * (1 + meant[0]))


@pytest.mark.parametrize("kind", ["lora", "loha", "lokr"])
def test_thin_form_is_the_change(tmp_path: Path, kind: str) -> None:
    adapter = made(tmp_path, **SD15, kind=kind, rank=2)
    (layer,) = adapter.layers[:1]
    meant = dense(adapter)[layer.name]
    with Weights(adapter.file) as weights:
        of = product(weights, layer, 1.0)
        values = spectrum(weights, layer, 1.0)
    full = np.linalg.svd(meant, compute_uv=False)
    if of.kept > 1 - 1e-9:
        assert np.allclose(of.up.astype(np.float64) @ of.down, meant, atol=1e-4 * np.abs(meant).max())
    assert np.allclose(values[: full.size], full[: values.size], atol=1e-4 * full[0])
    assert math.isclose(np.sqrt((values**2).sum()), np.linalg.norm(meant), rel_tol=1e-5)


@given(seed=st.integers(0, 999), rank=st.integers(1, 6), scale=st.sampled_from([1.0, 0.25, -2.0]))
@settings(max_examples=40, deadline=None)
def test_truncation_is_the_best(seed: int, rank: int, scale: float) -> None:
    of = Product(noise(seed, 10, 6), noise(seed + 1, 6, 9), scale)
    whole = scale * (of.up.astype(np.float64) @ of.down)
    values = np.linalg.svd(whole, compute_uv=False)
    found = truncate(of, rank)
    error = np.linalg.norm(found.up @ found.down - whole)
    assert math.isclose(error**2, float((values[rank:6] ** 2).sum()), rel_tol=1e-6, abs_tol=1e-6)
    assert math.isclose(found.kept, 1 - error**2 / float((values**2).sum()), rel_tol=1e-6)


def test_energy_chooses_the_rank() -> None:
    values = np.array([3.0, 4.0, 0.0])[::-1]
    assert rank_for(np.array([4.0, 3.0, 0.0]), 0.64) == 1
    assert rank_for(np.array([4.0, 3.0, 0.0]), 0.65) == 2
    assert rank_for(np.array([4.0, 3.0, 0.0]), 1.0) == 2
    assert rank_for(np.zeros(3), 0.9) == 1
    assert values.size == 3


# ---- health


def test_dead_broken_and_sound(tmp_path: Path) -> None:
    fields = {"targets": r"single.*\.[012]\.attn\.to_out", "dead": r"\.0\.", "nan": r"\.1\."}
    adapter = made(tmp_path, model="flux2-klein-4b", rank=4, **fields)
    health = measure(adapter)
    assert [layer.block for layer in health.dead] == ["single 0"]
    assert [layer.block for layer in health.broken] == ["single 1"]
    assert [layer.block for layer in health.sound] == ["single 2"]
    meant = np.linalg.norm(dense(adapter)[health.sound[0].name])
    assert math.isclose(health.norm, meant, rel_tol=1e-5)


def test_ranks_of_a_spectrum(tmp_path: Path) -> None:
    up, down = np.zeros((8, 4)), np.zeros((4, 12))
    for i, value in enumerate((4.0, 2.0, 2.0, 0.0)):
        up[i, i], down[i, i] = value, 1.0
    (layer,) = measure(small(tmp_path, "a", {LINEAR2: (up, down)})).layers
    assert math.isclose(layer.largest, 4.0, rel_tol=1e-6)
    assert math.isclose(layer.stable_rank, 24 / 16, rel_tol=1e-6)
    shares = np.array([0.5, 0.25, 0.25])
    assert math.isclose(layer.effective_rank, math.exp(-(shares * np.log(shares)).sum()), rel_tol=1e-5)
    assert layer.energy_rank == 3


def test_numbers_beyond_single_precision_squares(tmp_path: Path) -> None:
    (layer,) = measure(small(tmp_path, "a", {LINEAR2: (noise(0, 8, 2) * 1e30, noise(1, 2, 12) * 1e-30)})).layers
    assert layer.finite
    assert 0 < layer.norm < 1e3


def test_infinity_is_broken(tmp_path: Path) -> None:
    up = noise(0, 8, 2)
    up[3, 1] = np.inf
    assert len(measure(small(tmp_path, "a", {LINEAR2: (up, noise(1, 2, 12))})).broken) == 1


def test_heat_map(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="draws a picture")
    adapter = made(tmp_path, model="flux2-klein-4b", targets=r"blocks\.[01]\.")
    adapter = adapter._replace(health=measure(adapter))
    heat_map(adapter, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert adapter.health is not None
    lines = heat_line(adapter.health)
    assert [line.split()[0] for line in lines] == ["double", "single"]


BLOCKS = [
    ("transformer_blocks.3.attn.to_q", "double 3", "attn.to_q"),
    ("single_blocks_17_linear1", "single 17", "linear1"),
    ("double_blocks.0.img_mlp.2", "double 0", "img_mlp.2"),
    ("transformer_blocks.9.attn2.to_k", "block 9", "attn2.to_k"),
    ("blocks.4.mlp.point_conv.conv", "block 4", "mlp.point_conv.conv"),
    ("input_blocks_4_1_transformer_blocks_0_attn1_to_q", "in 4.1", "attn1_to_q"),
    ("input_blocks_4_1_proj_in", "in 4.1", "proj_in"),
    ("middle_block_1_transformer_blocks_7_ff_net_0_proj", "middle", "ff_net_0_proj"),
    ("mid_block.attentions.0.transformer_blocks.2.attn2.to_v", "middle", "attn2.to_v"),
    ("down_blocks.1.attentions.0.transformer_blocks.1.attn2.to_v", "down 1.0", "attn2.to_v"),
    ("up_blocks.0.resnets.2.conv1", "up 0.2", "conv1"),
    ("x_embedder", "other", "x_embedder"),
]


@pytest.mark.parametrize("name, block, kind", BLOCKS)
def test_blocks(name: str, block: str, kind: str) -> None:
    from lora_doctor.adapter.health import block_of
    from lora_doctor.adapter.picture import kind_of
    from lora_doctor.adapter.read import Layer

    assert block_of(Layer("denoiser", "", name, "", "lora", 1, 1, 1, (), "", None, (), (), ())) == block
    assert kind_of(name) == kind


def test_strength_beside_the_base(tmp_path: Path) -> None:
    adapter = made(tmp_path, model="flux2-klein-4b", targets=r"^single_transformer_blocks\.0\.attn\.to_out")
    adapter = adapter._replace(health=measure(adapter))
    base = noise(5, 3072, 12288)
    path = tmp_path / "base.safetensors"
    write_file(path, [Entry("single_blocks.0.linear2.weight", "F32", base.shape, base.tobytes)], {})
    health = with_ratios(adapter, path)
    assert health is not None
    (layer,) = health.layers
    assert layer.ratio is not None
    assert math.isclose(layer.ratio, layer.norm / np.linalg.norm(base), rel_tol=0.01)


@pytest.mark.parametrize("suffix", ["scale_weight", "weight_scale"])
def test_strength_beside_a_scaled_fp8_base(tmp_path: Path, suffix: str) -> None:
    """Such a file holds each weight divided by a number of its own, which stands beside it."""
    adapter = made(tmp_path, model="flux2-klein-4b", targets="^proj_out$")
    adapter = adapter._replace(health=measure(adapter))
    base, scale = noise(5, 128, 3072), np.float32(0.02)
    stored = (base / scale).astype(ml_dtypes.float8_e4m3fn)
    entries = [
        Entry("final_layer.linear.weight", "F8_E4M3", base.shape, stored.tobytes),
        Entry(f"final_layer.linear.{suffix}", "F32", (), scale.tobytes),
    ]
    write_file(tmp_path / "base.safetensors", entries, {})
    health = with_ratios(adapter, tmp_path / "base.safetensors")
    assert health is not None
    assert health.layers[0].ratio is not None
    assert math.isclose(health.layers[0].ratio, health.layers[0].norm / np.linalg.norm(base), rel_tol=0.01)


# ---- new files


def test_merge_is_the_weighted_sum(tmp_path: Path) -> None:
    one, other = small(tmp_path, "a", pair(1), alpha=1.5), small(tmp_path, "b", pair(9, rank=2))
    merge([Member(one, 0.8), Member(other, -0.5)], tmp_path / "m.safetensors")
    merged = examine(tmp_path / "m.safetensors")
    assert merged.ranks == (5,)
    assert merged.scales.distinct == (1.0,)
    for (name, whole), (_, first), (_, second) in zip(*(dense(a).items() for a in (merged, one, other))):
        assert np.allclose(whole, 0.8 * first - 0.5 * second, atol=1e-5), name


def test_merge_of_one_exact_pair_changes_no_bit(tmp_path: Path) -> None:
    one, other = small(tmp_path, "a", pair(1)), small(tmp_path, "b", pair(9))
    merge([Member(one, 1.0), Member(other, 1.0)], tmp_path / "m.safetensors")
    merged = examine(tmp_path / "m.safetensors")
    with Weights(merged.file) as all_, Weights(one.file) as first:
        for whole, part in zip(merged.layers, one.layers):
            assert np.array_equal(all_.array(whole.tensors["up"])[:, :3], first.array(part.tensors["up"]))
            assert np.array_equal(all_.array(whole.tensors["down"])[:3], first.array(part.tensors["down"]))


def test_merge_across_spellings(tmp_path: Path) -> None:
    one = made(tmp_path, "a", model="flux2-klein-4b", format="comfyui", targets="single_blocks.0", rank=2)
    other = made(tmp_path, "b", model="flux2-klein-4b", targets=r"single_transformer_blocks\.0", rank=2, seed=7)
    merge([Member(one, 1.0), Member(other, 1.0)], tmp_path / "m.safetensors", dtype="F32")
    merged = examine(tmp_path / "m.safetensors")
    assert merged.format.id == "comfyui"
    assert merged.ranks == (4,)


def test_merge_refuses_what_does_not_add_up(tmp_path: Path) -> None:
    klein = made(tmp_path, "a", model="flux2-klein-4b", format="kohya", targets="single_blocks.0")
    bigger = made(tmp_path, "b", model="flux2-klein-9b", format="kohya", targets="single_blocks.0")
    dora = made(tmp_path, "c", model="flux2-klein-4b", format="kohya", targets="single_blocks.0", dora=True)
    for other in (bigger, dora):
        with pytest.raises(AdapterError):
            merge([Member(klein, 1.0), Member(other, 1.0)], tmp_path / "m.safetensors")
    assert not (tmp_path / "m.safetensors").exists()


def test_average_is_of_products(tmp_path: Path) -> None:
    """The same change in turned factors: the mean of products is that change, the mean of factors would be another."""
    layers = pair(1)
    turned = {name: (-up, -down) for name, (up, down) in layers.items()}
    one, other = small(tmp_path, "a", layers), small(tmp_path, "b", turned)
    outcome = average([one, other], tmp_path / "m.safetensors")
    merged = examine(tmp_path / "m.safetensors")
    assert merged.ranks == (3,)
    assert outcome.kept[0] > 1 - 1e-6
    for (name, whole), (_, first) in zip(dense(merged).items(), dense(one).items()):
        assert np.allclose(whole, first, atol=1e-5), name


@pytest.mark.parametrize("kind", ["lora", "loha", "lokr"])
def test_resize(tmp_path: Path, kind: str) -> None:
    adapter = made(tmp_path, **SD15, kind=kind, rank=3, dtype="F32")
    outcome = resize(adapter, tmp_path / "m.safetensors", rank=2)
    again = examine(tmp_path / "m.safetensors")
    assert (again.ranks, set(again.format.kinds)) == ((2,), {"lora"})
    for (name, whole), (_, meant) in zip(dense(again).items(), dense(adapter).items()):
        u, s, v = np.linalg.svd(meant, full_matrices=False)
        best = (u[:, :2] * s[:2]) @ v[:2]
        assert np.allclose(whole, best, atol=1e-4 * s[0]), name
    assert 0 < outcome.kept[0] <= 1


@pytest.mark.parametrize("kind", ["lora", "loha", "lokr"])
@pytest.mark.parametrize(
    "layer, kernel", [(r"down_blocks\.0\.attentions\.0\.proj_in", 1), (r"down_blocks\.0\.resnets\.0\.conv1", 3)]
)
def test_convolutions_keep_their_kernel(tmp_path: Path, kind: str, layer: str, kernel: int) -> None:
    adapter = made(tmp_path, model="sd15", format="kohya-diffusers", kind=kind, targets=layer, rank=2, dtype="F32")
    resize(adapter, tmp_path / "m.safetensors", rank=4)
    again = examine(tmp_path / "m.safetensors")
    (lora,) = again.layers
    rank = lora.rank
    assert lora.tensors["down"].info.shape == (rank, 320, kernel, kernel)
    assert lora.tensors["up"].info.shape == (320, rank, 1, 1)
    (whole,) = dense(again).values()
    (meant,) = dense(adapter).values()
    if kind != "lokr":
        assert np.allclose(whole, meant.reshape(320, -1), atol=1e-4 * np.abs(meant).max())


def test_resize_of_a_dead_layer(tmp_path: Path) -> None:
    adapter = made(tmp_path, model="flux2-klein-4b", targets=ONE, rank=4, dead="")
    resize(adapter, tmp_path / "m.safetensors", rank=2)
    again = examine(tmp_path / "m.safetensors")
    assert again.ranks == (1,)
    assert len(measure(again).dead) == 1


def test_resize_of_a_broken_layer(tmp_path: Path) -> None:
    adapter = made(tmp_path, model="flux2-klein-4b", targets=ONE, rank=4, nan="")
    with pytest.raises(AdapterError, match="NaN"):
        resize(adapter, tmp_path / "m.safetensors", rank=2)


def test_nearly_equal_checkpoints_average_at_their_rank(tmp_path: Path) -> None:
    layers = pair(1)
    near = {name: (up + 1e-4 * noise(5, *up.shape), down) for name, (up, down) in layers.items()}
    outcome = average([small(tmp_path, "a", layers), small(tmp_path, "b", near)], tmp_path / "m.safetensors")
    assert outcome.ranks == (3,)
    assert outcome.kept[0] > 1 - 1e-6


def test_resize_by_energy(tmp_path: Path) -> None:
    adapter = made(tmp_path, model="flux2-klein-4b", targets=ONE, rank=8, low=2)
    resize(adapter, tmp_path / "m.safetensors", energy=0.999)
    assert examine(tmp_path / "m.safetensors").ranks == (2,)


@pytest.mark.parametrize("alpha, exact", [(8.0, True), (0.5, True), (3.0, False)])
def test_bake(tmp_path: Path, alpha: float, exact: bool) -> None:
    recorded = json.dumps({"transformer.r": 4, "transformer.lora_alpha": alpha})
    adapter = made(tmp_path, model="flux2-klein-4b", targets=ONE, rank=4, metadata={"lora_adapter_metadata": recorded})
    outcome = bake(adapter, tmp_path / "m.safetensors")
    baked = examine(tmp_path / "m.safetensors")
    assert baked.scales.distinct == (1.0,)
    row = baked.loads_in("ComfyUI")
    assert row is not None
    assert row.fine
    (before,), (after,) = dense(adapter).values(), dense(baked).values()
    assert np.array_equal(before, after) == exact
    assert (outcome.rounding == 0) == exact
    assert outcome.rounding < 2**-8


def test_sana_under_names_that_nothing_loads_is_baked_all_the_same(tmp_path: Path) -> None:
    name = r"^blocks\.0\.cross_attn\.q_linear"
    adapter = made(tmp_path, model="sana-1.6b", format="kohya", targets=name, rank=2, alpha=4.0)
    bake(adapter, tmp_path / "m.safetensors")
    row = examine(tmp_path / "m.safetensors").loads_in("diffusers")
    assert row is not None
    assert row.fine


def test_difference(tmp_path: Path) -> None:
    one, other = small(tmp_path, "a", pair(1)), small(tmp_path, "b", pair(9))
    found = difference(one, other)
    first, second = (np.concatenate([m.reshape(-1) for m in dense(a).values()]) for a in (one, other))
    assert math.isclose(found.distance, np.linalg.norm(first - second) / np.linalg.norm(first), rel_tol=1e-5)
    assert math.isclose(found.cosine, first @ second / np.linalg.norm(first) / np.linalg.norm(second), abs_tol=1e-5)
    assert math.isclose(found.growth, np.linalg.norm(second) / np.linalg.norm(first), rel_tol=1e-5)
    assert not found.equal
    assert difference(one, one).equal


@pytest.mark.parametrize("target", ["diffusers", "comfyui", "kohya"])
def test_spelling_makes_no_difference(tmp_path: Path, target: str) -> None:
    from lora_doctor.adapter.convert import convert

    for model in ("flux2-klein-4b", "flux1-dev"):
        targets = r"blocks\.0\.(attn|img_attn|linear|proj)|norm_out|final_layer\.ada"
        for start in ("diffusers", "kohya"):
            adapter = made(tmp_path, model=model, format=start, targets=targets, rank=1)
            convert(adapter, target, tmp_path / "b.safetensors", overwrite=True)
            found = difference(adapter, examine(tmp_path / "b.safetensors"))
            assert found.equal, (model, start)
            assert found.distance < 1e-7
            assert len(found.layers) > 5


def test_small_differences_survive(tmp_path: Path) -> None:
    layers = pair(1)
    moved = {name: (up * np.float32(1 + 2**-18), down) for name, (up, down) in layers.items()}
    found = difference(small(tmp_path, "a", layers), small(tmp_path, "b", moved))
    assert math.isclose(found.distance, 2**-18, rel_tol=0.05)


def test_series(tmp_path: Path) -> None:
    adapters = []
    for step, factor in ((500, 1.0), (1000, 2.0), (1500, 2.0)):
        layers = {name: (up * factor, down) for name, (up, down) in pair(1).items()}
        adapter = small(tmp_path, f"run-step{step:08d}", layers)
        adapters.append(adapter._replace(health=measure(adapter)))
    series = series_of(adapters[::-1])
    assert series is not None
    assert [a.file.path.stem[-4:] for a in series.adapters] == ["0500", "1000", "1500"]
    assert math.isclose(series.norms[1] / series.norms[0], 2.0, rel_tol=1e-5)
    assert [(a.file.path.stem[-4:], b.file.path.stem[-4:]) for a, b in series.identical] == [("1000", "1500")]
    assert math.isclose(series.growth()["single 0"][2] / series.growth()["single 0"][0], 2.0, rel_tol=1e-5)


STEPS = [
    ("run_000000250", 250), ("run-000004", 4), ("run-step00000500", 500), ("epoch12", 12), ("lora_v2_final", math.inf),
    ("run", math.inf),
]  # fmt: skip


@pytest.mark.parametrize("stem, step", STEPS)
def test_steps_in_names(stem: str, step: float) -> None:
    assert step_of(stem)[0] == step


# ---- number formats


FORMATS = [("BF16", ml_dtypes.bfloat16), ("F8_E4M3", ml_dtypes.float8_e4m3fn), ("F8_E5M2", ml_dtypes.float8_e5m2)]


@pytest.mark.parametrize("dtype, numpy", FORMATS)
def test_every_number_of_a_format_survives(dtype: str, numpy: Any) -> None:
    width = np.dtype(numpy).itemsize
    every = np.arange(256**width, dtype=np.uint8 if width == 1 else np.uint16).view(numpy)
    finite = every[np.isfinite(every.astype(np.float32))]
    assert np.array_equal(narrow(widen(finite), dtype).view(np.uint8), finite.view(np.uint8))


def test_rounding_is_to_the_nearest_even() -> None:
    halves = np.array([1 + 2**-8, 1 + 3 * 2**-8], np.float32)
    assert narrow(halves, "BF16").astype(np.float32).tolist() == [1.0, 1 + 2**-6]


def test_too_large_for_the_format() -> None:
    with pytest.raises(AdapterError, match="too large"):
        narrow(np.array([1e6], np.float32), "F16")
