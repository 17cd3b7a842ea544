"""Whatever a file holds: one sentence, no exception of another kind, no memory."""

from __future__ import annotations

import contextlib
import json
import pickle
import resource
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lora_doctor.adapter.facts import coverage_of, examine
from lora_doctor.adapter.read import AdapterError, decode_scalar, open_adapter
from lora_doctor.adapter.sample import Sample, write_sample

from .samples import made

DOWN = "transformer.transformer_blocks.0.attn.to_q.lora_A.weight"
UP = "transformer.transformer_blocks.0.attn.to_q.lora_B.weight"


def raw(path: Path, header: Any, data: bytes = b"", length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def entry(shape: list[int], begin: int, end: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def pair(**changes: Any) -> dict[str, Any]:
    return {DOWN: entry([1, 4], 0, 16), UP: entry([4, 1], 16, 32), **changes}


def refusal(path: Path) -> str:
    with pytest.raises(AdapterError) as caught:
        open_adapter(path)
    sentence = caught.value.sentence
    assert "\n" not in sentence
    assert len(sentence) < 400
    return sentence


def test_sound_file(tmp_path: Path) -> None:
    file = open_adapter(raw(tmp_path / "a.safetensors", pair(), bytes(32)))
    (layer,) = file.layers
    assert (layer.kind, layer.inputs, layer.outputs, layer.rank, layer.problem) == ("lora", 4, 4, 1, "")


def test_truncated(tmp_path: Path) -> None:
    assert "truncated" in refusal(raw(tmp_path / "a.safetensors", pair(), bytes(20)))


def test_tail(tmp_path: Path) -> None:
    assert "8 bytes at its end belong to no tensor" in refusal(raw(tmp_path / "a.safetensors", pair(), bytes(40)))


def test_header_longer_than_the_file(tmp_path: Path) -> None:
    assert "truncated" in refusal(raw(tmp_path / "a.safetensors", pair(), bytes(32), length=10_000))


def test_overlap(tmp_path: Path) -> None:
    assert "overlap" in refusal(raw(tmp_path / "a.safetensors", {**pair(), UP: entry([4, 1], 8, 24)}, bytes(24)))


def test_hole(tmp_path: Path) -> None:
    sentence = refusal(raw(tmp_path / "a.safetensors", {**pair(), UP: entry([4, 1], 24, 40)}, bytes(40)))
    assert "8 bytes" in sentence


def test_duplicate_key(tmp_path: Path) -> None:
    first, second = json.dumps({DOWN: entry([1, 4], 0, 16)}), json.dumps({DOWN: entry([1, 4], 16, 32)})
    twice = f"{first[:-1]}, {second[1:]}".encode()
    assert "twice" in refusal(raw(tmp_path / "a.safetensors", twice, bytes(32)))


def test_two_spellings_of_one_factor(tmp_path: Path) -> None:
    other = DOWN.replace("lora_A.weight", "lora_A.default.weight")
    sentence = refusal(raw(tmp_path / "a.safetensors", {**pair(), other: entry([1, 4], 32, 48)}, bytes(48)))
    assert "twice" in sentence


@pytest.mark.parametrize("dtype, size", [("I64", 8), ("U8", 1), ("BOOL", 1)])
def test_wrong_dtype(tmp_path: Path, dtype: str, size: int) -> None:
    header = {DOWN: entry([1, 4], 0, 4 * size, dtype), UP: entry([4, 1], 4 * size, 8 * size, dtype)}
    assert dtype in refusal(raw(tmp_path / "a.safetensors", header, bytes(8 * size)))


def test_pickle(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(pickle.dumps({"a": 1}))
    assert "pickle" in refusal(path)


def test_zip(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"x")
    assert "zip" in refusal(path)


def test_language_model(tmp_path: Path) -> None:
    stem = "base_model.model.model.layers.0.self_attn.q_proj"
    header = {f"{stem}.lora_A.weight": entry([1, 4], 0, 16), f"{stem}.lora_B.weight": entry([4, 1], 16, 32)}
    assert "language model" in refusal(raw(tmp_path / "a.safetensors", header, bytes(32)))


def test_whole_model(tmp_path: Path) -> None:
    header = {
        "double_stream_modulation_img.lin.weight": entry([1, 4], 0, 16),
        "img_in.weight": entry([3072, 1], 16, 12304),
    }
    assert "whole model" in refusal(raw(tmp_path / "a.safetensors", header, bytes(12304)))


def test_no_adapter(tmp_path: Path) -> None:
    assert "none of its 1 tensors" in refusal(raw(tmp_path / "a.safetensors", {"x": entry([4], 0, 16)}, bytes(16)))
    assert "no tensors" in refusal(raw(tmp_path / "b.safetensors", {}))


def test_missing_empty_folder(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "nothing.safetensors")
    (tmp_path / "empty.safetensors").touch()
    assert "empty" in refusal(tmp_path / "empty.safetensors")
    assert "folder" in refusal(tmp_path)


def test_huge_header_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 90_000_000))
        file.truncate(90_000_100)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "90 MB" in refusal(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


def test_half_pairs_are_told(tmp_path: Path) -> None:
    adapter = made(tmp_path, model="flux2-klein-4b", targets=r"blocks\.0\.attn\.to_q", drop="lora_B")
    assert "other half is missing" in adapter.layers[0].problem


@pytest.mark.parametrize(
    "dtype, number, data",
    [
        ("F32", 0.5, b"\0\0\0\x3f"),
        ("F16", 0.5, b"\x00\x38"),
        ("BF16", 0.5, b"\x00\x3f"),
        ("I64", 3.0, b"\x03" + bytes(7)),
    ],
)
def test_scalars(dtype: str, number: float, data: bytes) -> None:
    assert decode_scalar(dtype, data) == number


# ---- anything at all

KEYS = st.sampled_from(
    [
        DOWN,
        UP,
        "lora_unet_a.alpha",
        "x.lokr_w1",
        "x.lokr_w2_a",
        "x.hada_w1_a",
        "x",
        "",
        "__metadata__",
        "\x1b[31m.alpha",
    ]
)
NUMBERS = st.one_of(
    st.integers(-2, 2**70), st.sampled_from([0, 1, 4, 16, 32]), st.floats(), st.none(), st.text(max_size=3)
)
ENTRIES = st.one_of(
    st.fixed_dictionaries(
        {
            "dtype": st.one_of(st.sampled_from(["F32", "BF16", "I8", "F8_E4M3", "Q4"]), NUMBERS),
            "shape": st.one_of(st.lists(NUMBERS, max_size=5), NUMBERS),
            "data_offsets": st.one_of(st.lists(NUMBERS, max_size=3), NUMBERS),
        }
    ),
    st.recursive(
        NUMBERS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
)
HEADERS = st.dictionaries(KEYS, ENTRIES, max_size=6)


@given(header=HEADERS, data=st.binary(max_size=64))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_header(tmp_path: Path, header: dict[str, Any], data: bytes) -> None:
    path = raw(tmp_path / "a.safetensors", header, data)
    try:
        adapter = examine(path)
    except AdapterError:
        return
    coverage_of(adapter)


@given(position=st.integers(0, 2000), byte=st.integers(0, 255), cut=st.integers(0, 400))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage(tmp_path: Path, position: int, byte: int, cut: int) -> None:
    path = tmp_path / "a.safetensors"
    write_sample(path, Sample("flux2-klein-4b", format="kohya", targets="blocks.0.img_attn", rank=1, alpha=1.0))
    content = bytearray(path.read_bytes())
    content[position % len(content)] = byte
    path.write_bytes(bytes(content[: len(content) - cut]))
    with contextlib.suppress(AdapterError):
        examine(path)
