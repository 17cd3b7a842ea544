"""One scan: the same with any number of workers, nothing read twice, stopped at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lora_doctor.dataset.described import write_described

from .conftest import Examine

MANY = "\n".join(f"{i}.jpg: 96x{64 + i} photo" for i in range(30))


def test_workers_change_nothing(folder: Path, tmp_path: Path) -> None:
    from lora_doctor.dataset.cache import Cache
    from lora_doctor.dataset.scan import scan

    write_described(MANY + "\nbad.png: nothing", folder)
    names = sorted(os.listdir(folder))
    found = []
    for workers in (1, 2, 3):
        cache = Cache(tmp_path / f"{workers}.sqlite")
        found.append(scan(folder, names, cache, workers=workers).records.tobytes())
        cache.close()
    assert found[0] == found[1] == found[2]


def test_what_did_not_change_is_not_read(examine: Examine, folder: Path) -> None:
    before = examine("a.png: 96x96 photo\nb.png: 96x96 photo")
    state = (folder / "a.png").stat()
    (folder / "a.png").write_bytes(b"\0" * state.st_size)  # nobody will look
    os.utime(folder / "a.png", ns=(state.st_atime_ns, state.st_mtime_ns))
    assert list(examine("").images) == list(before.images)
    os.utime(folder / "a.png", ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    assert "zero bytes" in examine("").images[0].error


def test_a_file_that_moved_is_known_by_its_content(
    examine: Examine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = examine("a.png: 96x96 photo").images[0]
    (folder / "a.png").rename(folder / "z.png")
    monkeypatch.setattr("lora_doctor.dataset.examine.examine", None)  # looking at it again would fail
    after = examine("").images[0]
    assert after == before._replace(name="z.png")


def test_progress_counts_to_the_end(folder: Path, tmp_path: Path) -> None:
    from lora_doctor.dataset.cache import Cache
    from lora_doctor.dataset.scan import scan

    write_described(MANY, folder)
    told: list[tuple[int, int]] = []
    names = sorted(os.listdir(folder))
    scan(folder, names, Cache(tmp_path / "c.sqlite"), workers=2, tell=lambda done, whole: told.append((done, whole)))
    assert told == [(i, 30) for i in range(1, 31)]


def test_a_home_that_can_not_be_written(folder: Path, tmp_path: Path) -> None:
    from lora_doctor.dataset.cache import Cache

    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file" / "cache.sqlite")
    path = cache.path
    assert path.exists()
    cache.close()
    assert not path.exists()


def test_a_broken_cache_is_not_believed(folder: Path, tmp_path: Path) -> None:
    from lora_doctor.dataset.cache import Cache

    (tmp_path / "cache.sqlite").write_bytes(b"this is no database" * 100)
    cache = Cache(tmp_path / "cache.sqlite")
    assert cache.path != tmp_path / "cache.sqlite"
    cache.close()


def test_interrupted_at_once(folder: Path, tmp_path: Path) -> None:
    write_described("0.jpg: 2000x2000 photo quality=98", folder)
    data = (folder / "0.jpg").read_bytes()
    for i in range(1, 1500):
        (folder / f"{i}.jpg").write_bytes(data + bytes(str(i), "ascii"))
    command = [sys.executable, "-m", "lora_doctor", "dataset", str(folder), "--workers", "2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(3)
    assert process.poll() is None, process.stderr.read() if process.stderr else ""
    process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    _, err = process.communicate(timeout=20)
    assert time.monotonic() - begun < 3
    assert process.returncode == 130
    assert "Traceback" not in err
