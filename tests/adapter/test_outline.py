"""Layers are the same in whatever order a header names their tensors, and whatever files came before."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_doctor.adapter.kept import MOST, Kept
from lora_doctor.adapter.outline import TwiceError, outline_of
from lora_doctor.adapter.read import Layer, layers_of
from lora_doctor.models.header import TensorInfo

ENDS = ("alpha", "lora_down.weight", "lora_up.weight")
SHAPES: dict[str, tuple[int, ...]] = {"alpha": (), "lora_down.weight": (4, 8), "lora_up.weight": (16, 4)}
NAMES = [f"lora_unet_single_blocks_{i}_linear1.{end}" for i in range(3) for end in ENDS]


def described(layers: tuple[Layer, ...]) -> dict[str, Any]:
    """What each layer is, by its name."""
    return {
        layer.name: (layer.prefix, layer.kind, layer.inputs, layer.outputs, layer.rank, set(layer.roles), layer.flat)
        for layer in layers
    }


def read(names: list[str]) -> tuple[Layer, ...]:
    places = iter(range(len(names)))
    return layers_of({name: TensorInfo("F32", SHAPES[name.partition(".")[2]], (next(places), 0)) for name in names})


@given(names=st.permutations(NAMES))
def test_order_means_nothing(names: list[str]) -> None:
    layers = read(names)
    assert described(layers) == described(read(NAMES))
    for layer in layers:
        for role, tensor in layer.tensors.items():
            assert names[tensor.info.offsets[0]] == tensor.name
            assert tensor.key.role == role


@given(names=st.lists(st.sampled_from(NAMES), unique=True, min_size=1))
def test_tensors_that_lack_stay_with_their_own_layer(names: list[str]) -> None:
    for layer in read(names):
        assert {key.name for key in layer.keys} == {
            name for name in names if name.startswith(f"lora_unet_{layer.name}.")
        }


def test_a_layer_in_two_places_is_one() -> None:
    first, second = "lora_unet_single_blocks_0_linear1", "lora_unet_single_blocks_1_linear1"
    names = [f"{first}.lora_down.weight", f"{first}.lora_up.weight", f"{second}.lora_down.weight",
             f"{second}.lora_up.weight", f"{first}.alpha", f"{first}.dora_scale"]  # fmt: skip
    assert [group.roles for group in outline_of(tuple(names)).groups] == [
        ("down", "up", "alpha", "dora_scale"),
        ("down", "up"),
    ]


def test_one_factor_under_two_names_in_step() -> None:
    stem = "transformer.transformer_blocks.0.attn.to_q"
    with pytest.raises(TwiceError):
        outline_of((f"{stem}.lora_A.weight", f"{stem}.lora_A.default.weight"))


def test_what_is_kept_has_an_end() -> None:
    kept: Kept[int, int] = Kept(lambda number: -number)
    assert kept.all(range(MOST + 10)) == [-number for number in range(MOST + 10)]
    assert len(kept) == 10
