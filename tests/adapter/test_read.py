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


def test_alpha_in_no_number_format(tmp_path: Path) -> None:
    stem = DOWN.removesuffix(".lora_A.weight")
    header = pair(**{f"{stem}.alpha": entry([], 32, 36, "Q4")})
    assert "as Q4" in refusal(raw(tmp_path / "a.safetensors", header, bytes(36)))


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


# ---- a sound header, changed: what is accepted here, the reference reader accepts too


def sound() -> dict[str, Any]:
    """Two layers with alpha, 80 bytes of data."""
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    place = 0
    for layer in ("lora_unet_double_blocks_0_img_attn_proj", "lora_unet_single_blocks_0_linear2"):
        for end, shape in (("lora_down.weight", [1, 4]), ("lora_up.weight", [4, 1]), ("alpha", [])):
            size = 4 * (shape[0] * shape[1] if shape else 1)
            entries[f"{layer}.{end}"] = entry(shape, place, place + size)
            place += size
    return entries


SIZE = 72
CHANGES = st.sampled_from(["offsets", "shape", "dtype", "swap", "drop", "rename", "twice", "field", "metadata"])
VALUES: st.SearchStrategy[Any] = st.one_of(
    st.integers(-4, 80), st.sampled_from([2**31, 2**63, 2**64, 1.0, True, None, "0", [], {}])
)


def change(entries: dict[str, Any], kind: str, data: st.DataObject) -> str:
    """Change one entry in place; returns JSON text to put into the object as it is."""
    names = [name for name in entries if name != "__metadata__"]
    if not names:
        return ""
    name, other = data.draw(st.sampled_from(names)), data.draw(st.sampled_from(names))
    if kind in ("offsets", "shape"):
        field = {"offsets": "data_offsets", "shape": "shape"}[kind]
        numbers = entries[name].get(field)
        if isinstance(numbers, list) and numbers:
            numbers[data.draw(st.integers(0, len(numbers) - 1))] = data.draw(VALUES)
    elif kind == "dtype":
        entries[name]["dtype"] = data.draw(st.sampled_from(["F16", "BF16", "I32", "F8_E4M3", "F4", "Q4", "", None, 4]))
    elif kind == "swap":
        entries[name], entries[other] = entries[other], entries[name]
    elif kind == "drop":
        del entries[name]
    elif kind == "rename":
        entries[data.draw(st.sampled_from(["", "x", "a.lora_A.weight", "\u00e9.alpha", "transformer.x.lora_B"]))] = (
            entries.pop(name)
        )
    elif kind == "twice":
        return f", {json.dumps(name)}: {json.dumps(entries[other])}"
    elif kind == "field":
        entries[name][data.draw(st.sampled_from(["dtype", "shape", "data_offsets", "more"]))] = data.draw(VALUES)
    else:
        entries["__metadata__"] = data.draw(
            st.sampled_from([{}, {"a": 1}, [], None, {"lora_adapter_metadata": "[" * 99}])
        )
    return ""


@given(kinds=st.lists(CHANGES, min_size=1, max_size=3), tail=st.sampled_from([0, 0, 0, 0, -1, 1]), data=st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_accepted_the_reference_reader_accepts(
    tmp_path: Path, kinds: list[str], tail: int, data: st.DataObject
) -> None:
    safetensors = pytest.importorskip("safetensors", reason="compares with the reference reader")
    entries = sound()
    inserted = "".join(change(entries, kind, data) for kind in kinds)
    text = f"{json.dumps(entries)[:-1]}{inserted}}}".replace("{,", "{").encode()
    path = raw(tmp_path / "a.safetensors", text, bytes(SIZE + tail))
    try:
        adapter = examine(path)
    except AdapterError:
        return
    coverage_of(adapter)
    if all(info.dtype in NUMPY for info in adapter.file.header.tensors.values()):
        with safetensors.safe_open(path, "np") as file:
            assert set(file.keys()) == set(adapter.file.header.tensors)


NUMPY = {"F64", "F32", "F16", "I64", "I32", "I16", "I8", "U8", "BF16"}


def test_the_unchanged_header_is_sound(tmp_path: Path) -> None:
    adapter = examine(raw(tmp_path / "a.safetensors", sound(), bytes(SIZE)))
    assert len(adapter.layers) == 2
    assert adapter.scales.source == "tensors"
