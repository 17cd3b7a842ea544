"""A first look at many images says on the terminal how far it is; programs and pipes see nothing of it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from lora_doctor.dataset.arrays import missing

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason="needs the data extra")]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A config that names a folder of images that take a while."""
    import cv2
    import numpy as np

    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(160):
        noise = np.random.default_rng(number).integers(0, 256, (1024, 1024, 3)).astype(np.uint8)
        (folder / f"{number}.jpg").write_bytes(bytes(cv2.imencode(".jpg", noise)[1]))
    path = tmp_path / "dataset.toml"
    path.write_text(f'resolutions = [512]\n[[directory]]\npath = "{folder}"\n')
    return path


def lint(config: Path, cache: Path, error: int) -> int:
    """The exit code; what it writes to standard error goes to a file descriptor."""
    command = [sys.executable, "-m", "lora_doctor", "lint", str(config)]
    environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=error, env=environment).returncode


def test_progress_is_for_terminals(config: Path, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    assert lint(config, tmp_path / "first", theirs) in (0, 1)
    os.close(theirs)
    told = b""
    try:
        while part := os.read(ours, 65536):
            told += part
    except OSError:  # Linux ends a terminal this way
        pass
    assert b" of 160 images, " in told
    assert b"pictures: " in told
    assert told.endswith(b"\r\x1b[K")
    with open(tmp_path / "errors", "wb") as file:
        assert lint(config, tmp_path / "second", file.fileno()) in (0, 1)
    assert (tmp_path / "errors").read_bytes() == b""
