"""Whatever lies in the folder, it is named with a reason and the rest is examined."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import pytest

from .conftest import Call, Examine

GOOD = "good.png: 96x96 photo"


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb() -> bytes:
    """A PNG that claims to be 60,000 pixels wide and high."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


CONTENTS = {
    "zero.jpg": (b"", "empty"),
    "page.png": (b"<!DOCTYPE html><html></html>", "web page"),
    "pointer.png": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
    "zeros.webp": (b"\0" * 500, "zero bytes"),
    "random.gif": (bytes(range(256)) * 4, "not an image"),
    "bomb.png": (bomb(), "million pixels"),
    "signature.png": (b"\x89PNG\r\n\x1a\n", "header is broken"),
    "start.jpg": (b"\xff\xd8\xff\xe0", "header is broken"),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_content(examine: Examine, folder: Path, name: str) -> None:
    content, reason = CONTENTS[name]
    (folder / name).write_bytes(content)
    images = {image.name: image for image in examine(GOOD).images}
    assert reason in images[name].error
    assert not images["good.png"].error


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "tif", "gif", "avif"])
def test_cut_short_anywhere(examine: Examine, folder: Path, suffix: str) -> None:
    examine(f"whole.{suffix}: 96x96 photo")
    data = (folder / f"whole.{suffix}").read_bytes()
    for part in range(1, 16):
        (folder / f"cut{part}.{suffix}").write_bytes(data[: len(data) * part // 16])
    images = {image.name: image for image in examine("").images}
    assert not images[f"whole.{suffix}"].error
    unnoticed = [name for name, image in images.items() if name.startswith("cut") and not image.error]
    assert len(unnoticed) <= (2 if suffix in ("bmp", "gif", "tif") else 0), unnoticed


def test_links_folders_and_names(examine: Examine, folder: Path) -> None:
    os.symlink("nowhere.png", folder / "dangling.png")
    os.symlink("circle.png", folder / "circle.png")
    (folder / "folder.png").mkdir()
    os.mkfifo(folder / "pipe.png")
    names = ["a\nb.png", "🙂.png", 'a b\'s "c".png', os.fsdecode(b"\xff\xfe.png")]
    examine(GOOD)
    for name in names:
        (folder / name).write_bytes((folder / "good.png").read_bytes())
    images = {image.name: image for image in examine(GOOD).images}
    assert images["dangling.png"].error == "a link to nothing"
    assert "levels of symbolic links" in images["circle.png"].error
    assert "not a file" in images["pipe.png"].error
    assert all(not images[name].error for name in names)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_unreadable(examine: Examine, folder: Path) -> None:
    examine(GOOD + "\nlocked.png: 64x64 photo")
    (folder / "locked.png").chmod(0)
    os.utime(folder / "locked.png", (0, 0))
    images = {image.name: image for image in examine("").images}
    assert "permission denied" in images["locked.png"].error


def test_the_command_names_them_and_goes_on(call: Call, folder: Path, examine: Examine) -> None:
    for name, (content, _) in CONTENTS.items():
        (folder / name).write_bytes(content)
    (folder / "a\nb.png").write_bytes(b"no")
    examine(GOOD)
    ran = call("dataset", folder, "--workers=2")
    assert ran.code == 1
    assert "error[unreadable-images] 9 files are no image" in ran.out
    assert "a\\nb.png" in ran.out
    assert "10 images in" in ran.out
    assert "Traceback" not in ran.err + ran.out


def test_videos_and_formats_of_plugins_are_left_alone(
    call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    for name in ("a.mp4", "b.heic", "c.jxl"):
        (folder / name).write_bytes(b"not looked at")
    (folder / "dataset.toml").write_text('resolutions = [512]\n[[directory]]\npath = "."\n')
    ran = call("lint", "--select=dataset", "dataset.toml")
    assert "unreadable" not in ran.out
    assert "no images in" in call("dataset", folder).err


def test_what_is_too_large_for_us_is_not_called_broken(examine: Examine, call: Call, folder: Path) -> None:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 12_000, 12_000, 8, 2, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    (folder / "huge.png").write_bytes(data)
    images = {image.name: image for image in examine(GOOD).images}
    assert images["huge.png"].error == "144 million pixels: more than lora-doctor decodes"
    assert not images["huge.png"].broken
    ran = call("dataset", folder, "--select=dataset")
    assert "unreadable-images" not in ran.out
    assert "1 not looked into (144 million pixels: more than lora-doctor decodes): huge.png" in ran.out


def test_standard_error_comes_back_from_many_threads(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from PIL import Image

    from lora_doctor.dataset.decode import decode, read_header

    Image.effect_noise((256, 256), 50).save(folder / "noise.png")
    data = (folder / "noise.png").read_bytes()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: decode(data, read_header(data), 0), range(64)))
    os.write(2, b"still heard")
    assert "still heard" in capfd.readouterr().err


def test_the_page_shows_names_that_are_no_text(examine: Examine, call: Call, folder: Path, tmp_path: Path) -> None:
    examine(GOOD)
    for name in (os.fsdecode(b"\xff\xfe.png"), "a\nb.png", "\x1b[31mred.png"):
        (folder / name).write_bytes((folder / "good.png").read_bytes())
    ran = call("dataset", folder, "--report", tmp_path / "page.html")
    assert ran.code == 1
    assert "\x1b" not in ran.out
    assert (tmp_path / "page.html").read_text().count("<img") >= 4


def test_a_cache_that_another_process_holds_costs_seconds_only(call: Call, folder: Path) -> None:
    import sqlite3
    import time

    from lora_doctor.dataset.cache import Cache, cache_path
    from lora_doctor.dataset.described import write_described

    write_described("\n".join(f"{i}.png: 64x64 photo" for i in range(12)) + "\ncopy.jpg: 60x60 like=0.png", folder)
    Cache().close()
    other = sqlite3.connect(cache_path(), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    begun = time.monotonic()
    ran = call("dataset", folder, "--json")
    assert time.monotonic() - begun < 90  # not ten seconds for each image
    assert "near-duplicates" in ran.out
    other.execute("ROLLBACK")
    assert other.execute("SELECT COUNT(*) FROM files").fetchone() == (0,)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits of files are POSIX's")
def test_a_full_disk_costs_the_cache_not_the_run(folder: Path, examine: Examine) -> None:
    import subprocess
    import sys

    examine("\n".join(f"{i}.png: 96x96 photo" for i in range(12)))
    command = f"ulimit -f 16; exec {sys.executable} -m lora_doctor dataset '{folder}' --json --workers 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 1), done.stderr
    assert '"11.png"' in done.stdout
