"""The cache: what changed is never found, what is damaged is made again, and a full disk says so."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lora_doctor.source.document import SourceError
from lora_doctor.train import cache
from lora_doctor.train.cache import Store, identity, key

VALUE = {"latents": torch.arange(48, dtype=torch.float32).reshape(3, 4, 4), "mask": torch.ones(1, 4, 4)}


def test_what_is_kept_comes_back_exactly(tmp_path: Path) -> None:
    store = Store(tmp_path / "c")
    value = {
        **VALUE,
        "half": torch.randn(5, 7).to(torch.bfloat16),
        "ids": torch.tensor([1, 2]),
        "one": torch.tensor(3.5),
    }
    store.put(key("image", a=1), value)
    found = Store(tmp_path / "c").get(key("image", a=1))
    assert found is not None
    assert found.keys() == value.keys()
    assert all(torch.equal(found[name], value[name]) and found[name].dtype == value[name].dtype for name in value)
    assert store.get(key("image", a=2)) is None


json_values = st.recursive(st.one_of(st.integers(), st.text(max_size=5), st.binary(max_size=5)), st.lists, max_leaves=4)


@given(st.dictionaries(st.text("ab", min_size=1, max_size=2), json_values, max_size=3), json_values)
def test_every_part_counts(parts: dict[str, object], value: object) -> None:
    name = key("image", **parts)
    assert name == key("image", **dict(reversed(parts.items())))
    assert name != key("text", **parts)
    for part in parts:
        if parts[part] != value:
            assert key("image", **{**parts, part: value}) != name
    assert key("image", **{**parts, "zz": value}) != name


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "header", "foreign"])
def test_a_damaged_file_is_as_none(tmp_path: Path, damage: str) -> None:
    store = Store(tmp_path)
    name = key("image", a=1)
    store.put(name, VALUE)
    path = store.path(name)
    data = bytearray(path.read_bytes())
    if damage == "flipped":
        data[-3] ^= 1
    path.write_bytes(
        {"cut": bytes(data[:-1]), "empty": b"", "header": b"\xff" * 40, "foreign": b"{}" * 30}.get(damage, data)
    )
    assert store.get(name) is None
    assert not path.exists()
    store.put(name, VALUE)
    assert store.get(name) is not None


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_changed_byte_goes_unnoticed(tmp_path_factory: pytest.TempPathFactory, place: int, flip: int) -> None:
    store = Store(tmp_path_factory.mktemp("c"))
    name = key("image", a=1)
    store.put(name, VALUE)
    data = bytearray(store.path(name).read_bytes())
    data[place % len(data)] ^= flip
    store.path(name).write_bytes(data)
    found = store.get(name)  # bytes of the header that mean nothing may change
    assert found is None or all(torch.equal(found[each], VALUE[each]) for each in VALUE)


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    code = (
        "import sys, torch\nfrom pathlib import Path\nfrom lora_doctor.train.cache import Store, key\n"
        "store = Store(Path(sys.argv[1]))\n"
        "for i in range(60):\n"
        "    name = key('image', i=i % 6)\n"
        "    found = store.get(name)\n"
        "    assert found is None or torch.equal(found['x'], torch.full((2000,), float(i % 6))), found\n"
        "    store.put(name, {'x': torch.full((2000,), float(i % 6))})\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(3)]
    assert [(process.communicate()[1], process.returncode) for process in running] == [(b"", 0)] * 3
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "c")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(SourceError, match=r"the disk with the cache .*c is full: free some space, or set"):
        store.put(key("image", a=1), VALUE)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_too_little_room_is_told_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage(NamedTuple):
        total: int
        used: int
        free: int

    store = Store(tmp_path)
    store.room(10, 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 0, 3 * 10**9))
    with pytest.raises(
        SourceError, match=r"another 786\.8 GB for 100,000 files, and the disk with .* has 3\.0 GB left"
    ):
        store.room(100_000, 512 * 7680 * 2)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match=r"the cache folder .* can't be made"):
        Store(tmp_path / "file" / "cache")


def test_a_model_is_known_by_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tmp_path / "vae"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "a.safetensors").write_bytes(bytes(10_000))
    first = identity(model)
    (model / "README.md").write_text("words")
    shutil.copytree(model, tmp_path / "copy")
    assert identity(model) == first == identity(tmp_path / "copy")
    (model / "config.json").write_text("{ }")
    assert identity(model) != first
    (model / "config.json").write_text("{}")
    (model / "a.safetensors").write_bytes(bytes(9_999) + b"\1")
    assert identity(model) != first
    monkeypatch.setattr(cache, "WHOLE", 100)  # as if it were too large to be read whole
    large = identity(model)
    assert identity(model) == large
    (model / "a.safetensors").write_bytes(bytes(9_998) + b"\1\1")
    assert identity(model) != large
