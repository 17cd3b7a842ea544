"""Headers, real and damaged."""

from __future__ import annotations

import contextlib
import json
import os
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lora_doctor.models.header import MAX_HEADER_BYTES, HeaderError, _checked, _decoded, read_header

from . import files

SMALL = {"a.weight": (4, 3), "b.weight": (2,)}


def test_a_file(tmp_path: Path) -> None:
    found = read_header(files.write(tmp_path / "x.safetensors", SMALL, metadata={"format": "pt"}))
    assert found.kind == "file"
    assert found.metadata == {"format": "pt"}
    first = found.tensors["a.weight"]
    assert (first.dtype, first.shape, first.offsets) == ("BF16", (4, 3), (0, 24))
    assert found.tensors["b.weight"].offsets == (24, 28)


def test_an_empty_header_is_a_file_without_tensors(tmp_path: Path) -> None:
    assert read_header(files.write_raw(tmp_path / "x.safetensors", b"{}", 0)).tensors == {}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"abc", "truncated"),
        (b"PK\x03\x04\x00\x00\x08\x08\x00\x00" + bytes(90), "never unpickled"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9" + bytes(90), "never unpickled"),
        (b"GGUF\x03\x00\x00\x00\x10" + bytes(90), "GGUF"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n", "git lfs pull"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b'{"weight_map": {}}', "JSON text"),
        ((MAX_HEADER_BYTES + 1).to_bytes(8, "little") + bytes(50), "truncated"),
        ((2000).to_bytes(8, "little") + b"{}", "truncated"),
        ((2).to_bytes(8, "little") + b"[]", "not a JSON object"),
        ((3).to_bytes(8, "little") + b"{a}", "not valid JSON"),
        ((2).to_bytes(8, "little") + b"\xff\xfe", "not valid JSON"),
        ((60_000).to_bytes(8, "little") + b"[" * 60_000, "not valid JSON"),
    ],
)
def test_what_is_no_safetensors_file_is_told_in_one_sentence(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(HeaderError, match=says) as caught:
        read_header(path)
    assert "model.safetensors" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_real_pickle_archive(tmp_path: Path) -> None:
    path = tmp_path / "sd.ckpt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
    with pytest.raises(HeaderError, match="zip archive"):
        read_header(path)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"dtype": "F32", "shape": [2], "data_offsets": [0, 800]}, "disagree"),
        ({"dtype": "F32", "shape": [200], "data_offsets": [0, 800]}, "promises 800 bytes"),
        ({"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}, "makes no sense"),
        ({"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}, "makes no sense"),
        ({"dtype": "F32", "shape": [2.0], "data_offsets": [0, 8]}, "makes no sense"),
        ({"dtype": "F32", "shape": [True], "data_offsets": [0, 4]}, "makes no sense"),
        ({"dtype": 3, "shape": [2], "data_offsets": [0, 8]}, "makes no sense"),
        ({"dtype": "F32", "shape": [2], "data_offsets": [0]}, "makes no sense"),
        ({"dtype": "F32", "shape": [2]}, "makes no sense"),
        ("F32", "makes no sense"),
        (None, "makes no sense"),
    ],
)
def test_damaged_entries(tmp_path: Path, entry: object, says: str) -> None:
    path = files.write_raw(tmp_path / "x.safetensors", json.dumps({"w": entry}).encode(), 16)
    with pytest.raises(HeaderError, match=says):
        read_header(path)


@pytest.mark.parametrize("metadata", [[], 3, {"a": 1}, {"a": None}])
def test_damaged_metadata(tmp_path: Path, metadata: object) -> None:
    path = files.write_raw(tmp_path / "x.safetensors", json.dumps({"__metadata__": metadata}).encode(), 0)
    with pytest.raises(HeaderError, match="metadata"):
        read_header(path)


def test_names_that_cannot_be_printed_are_refused(tmp_path: Path) -> None:
    path = files.write_raw(tmp_path / "x.safetensors", b'{"\\ud800": 1}', 0)
    with pytest.raises(HeaderError, match="not valid JSON"):
        read_header(path)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(HeaderError, match=r"none\.safetensors cannot be read"):
        read_header(tmp_path / "none.safetensors")
    with pytest.raises(HeaderError, match="cannot be read"):
        read_header("\0")
    with pytest.raises(HeaderError, match="cannot be read"):
        read_header("x" * 5000)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.safetensors")
    with pytest.raises(HeaderError, match="not a regular file"):
        read_header(tmp_path / "pipe.safetensors")


def test_shards_are_united_and_missing_ones_told(tmp_path: Path) -> None:
    files.write(tmp_path / "model-00001-of-00002.safetensors", {"a": (2,)})
    weight_map = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    index = files.write_json(tmp_path / "model.safetensors.index.json", {"weight_map": weight_map})
    found = read_header(index)
    assert (found.kind, set(found.tensors)) == ("shards", {"a"})
    assert found.missing == ("model-00002-of-00002.safetensors",)


@pytest.mark.parametrize("name", ["../x.safetensors", "/etc/passwd", "a/b", "..", "", "a\\b"])
def test_an_index_cannot_lead_out_of_its_folder(tmp_path: Path, name: str) -> None:
    index = files.write_json(tmp_path / "model.safetensors.index.json", {"weight_map": {"a": name}})
    with pytest.raises(HeaderError, match="outside its folder"):
        read_header(index)


@pytest.mark.parametrize("value", [{}, {"weight_map": []}, {"weight_map": {"a": 1}}, []])
def test_an_index_without_a_map(tmp_path: Path, value: object) -> None:
    with pytest.raises(HeaderError):
        read_header(files.write_json(tmp_path / "model.safetensors.index.json", value))


def test_a_diffusers_folder(tmp_path: Path) -> None:
    files.write_json(tmp_path / "model_index.json", {"_class_name": "SanaPipeline"})
    files.write_json(tmp_path / "transformer/config.json", {"num_layers": 20})
    files.write_json(tmp_path / "scheduler/scheduler_config.json", {"prediction_type": "flow"})
    files.write(tmp_path / "transformer/diffusion_pytorch_model.safetensors", SMALL)
    files.write(tmp_path / "vae/diffusion_pytorch_model.safetensors", {"decoder": (1,)})
    found = read_header(tmp_path)
    assert found.kind == "diffusers"
    assert set(found.configs) == {"model_index.json", "transformer/config.json", "scheduler/scheduler_config.json"}
    assert set(found.tensors) == set(SMALL)


def test_a_transformers_folder_with_shards(tmp_path: Path) -> None:
    files.write_json(tmp_path / "config.json", {"model_type": "qwen3"})
    for n in (1, 2):
        files.write(tmp_path / f"model-0000{n}-of-00002.safetensors", {f"w{n}": (1,)})
    found = read_header(tmp_path)
    assert (found.kind, set(found.tensors)) == ("component", {"w1", "w2"})


def test_folders_that_hold_no_one_model(tmp_path: Path) -> None:
    with pytest.raises(HeaderError, match="holds no model"):
        read_header(tmp_path)
    for n in "ab":
        files.write(tmp_path / f"{n}.safetensors", SMALL)
    with pytest.raises(HeaderError, match="2 safetensors files"):
        read_header(tmp_path)


def test_a_broken_config_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(HeaderError, match=r"config\.json has a damaged content"):
        read_header(tmp_path)


VALID = json.dumps({"__metadata__": {"format": "pt"}, **files.entries(SMALL)[0]}).encode()
WHOLE = len(VALID).to_bytes(8, "little") + VALID + bytes(28)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(st.data())
def test_mutated_files_never_raise_anything_else(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "x.safetensors"
    path.write_bytes(bytes(content[: data.draw(st.integers(0, len(content)))]))
    with contextlib.suppress(HeaderError):
        read_header(path)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
_ENTRY = st.fixed_dictionaries(
    {"dtype": st.sampled_from(["F32", "U8", "NEW"]) | _JSON, "shape": _JSON, "data_offsets": _JSON}
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(st.dictionaries(st.text(max_size=12) | st.just("__metadata__"), _ENTRY | _JSON, max_size=5))
def test_any_json_header_is_read_or_refused(tmp_path: Path, header: dict[str, object]) -> None:
    path = files.write_raw(tmp_path / "x.safetensors", json.dumps(header).encode(), 64)
    try:
        found = read_header(path)
    except HeaderError:
        return
    assert all(isinstance(t.shape, tuple) and t.offsets[1] <= 64 for t in found.tensors.values())


_NUMBER = st.sampled_from([0, 1, 2, 4, -1, True, 1.0, "1", None, 2**63])
_ENTRY = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F16", "BF16", "F32", "F4", "X9", 3, None, []]),
        "shape": st.one_of(st.lists(_NUMBER, max_size=3), st.sampled_from([None, "", {}, [1] * 65])),
        "data_offsets": st.one_of(st.lists(_NUMBER, min_size=1, max_size=3), st.sampled_from([[0, 2], [0, 4], {}])),
    },
    optional={"more": st.none()},
)

_SOUND = st.sampled_from([("F16", [2], [0, 4]), ("F32", [], [4, 8]), ("F4", [3], [0, 2]), ("X9", [3], [1, 2])]).map(
    lambda entry: dict(zip(("dtype", "shape", "data_offsets"), entry))
)


@given(
    st.lists(_SOUND | _SOUND | _SOUND | _ENTRY | st.sampled_from([None, 1, [], "x", {}]), min_size=1, max_size=4),
    st.sampled_from([None, {}, {"format": "pt"}, {"dtype": "F16", "data_offsets": "x"}, {"a": 1}, []]),
)
@settings(max_examples=400)
def test_tensors_are_judged_together_as_one_by_one(listed: list[object], metadata: object) -> None:
    raw = json.dumps({"__metadata__": metadata, **{str(i): entry for i, entry in enumerate(listed)}}).encode()
    together = _decoded(raw)
    try:
        tensors, texts = _checked("a", raw)
    except HeaderError:
        assert together is None
        return
    if together is not None:  # what looks odd is looked at again
        assert texts == together[1]
        assert {k: (t.dtype, t.shape, t.offsets) for k, t in tensors.items()} == {
            k: (t.dtype, t.shape, t.offsets) for k, t in together[0].items()
        }


def test_sound_headers_are_judged_together() -> None:
    """Or every file would take the slow way."""
    for metadata in ({}, {"format": "pt", "note": '{"data_offsets": [0, 4]}'}):
        raw = json.dumps({"__metadata__": metadata, **files.entries(SMALL)[0]}).encode() + b"   "
        assert _decoded(raw) is not None
    assert _decoded(json.dumps(files.entries(SMALL)[0]).encode()) is not None


def test_a_name_that_stands_there_twice(tmp_path: Path) -> None:
    """Also one without bytes, where no hole tells: the reference reader knows one of them only."""
    entry = '"w": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}'
    for twice in (f"{{{entry}, {entry}}}", '{"__metadata__": {"a": "b"}, "__metadata__": {"a": "c"}}'):
        path = files.write_raw(tmp_path / "x.safetensors", twice.encode(), 0)
        with pytest.raises(HeaderError, match="twice"):
            read_header(path)
