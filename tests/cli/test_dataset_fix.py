"""`lora-doctor dataset fix`: a corrected copy, and a source that stays byte for byte what it was."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lora_doctor.cli import run
from lora_doctor.dataset.arrays import missing

pytestmark = pytest.mark.skipif(bool(missing()), reason="images are read with the data extra: lora-doctor[data]")
IMAGES = """\
turned.jpg: 320x200 photo exif=6 quality=95
wide.jpg: 300x200 photo profile=Display_P3 quality=95
odd.png: 200x200 photo as=webp
a.png: 200x220 photo
plain.png: 220x200 photo
cut.png: 300x300 photo cut=0.4
"""


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from lora_doctor.dataset.described import write_described

    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data"
    (folder / "masks").mkdir(parents=True)
    write_described(IMAGES, folder)
    (folder / "b.png").write_bytes((folder / "a.png").read_bytes())
    for name in ("a", "b"):
        (folder / "masks" / f"{name}.png").write_bytes((folder / "plain.png").read_bytes())
    texts = {
        "a": b"zwx ring on slate",
        "b": b"zwx ring on slate",
        "turned": b"\xef\xbb\xbfzwx ring on sand",
        "wide": b"the jeweler\x92s bench",
        "odd": "zwx ring".encode("utf-16"),
        "plain": "the jewelerâ€™s ring".encode(),
    }
    for name, text in texts.items():
        (folder / f"{name}.caption").write_bytes(text)
    (folder / "notes.md").write_text("mine")
    return folder


def state(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_corrected_copy(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    before = state(data)
    assert run(["dataset", "fix", "data", "--output", "out", "--caption-extension", "txt"]) == 0
    told = capsys.readouterr().out
    assert state(data) == before
    out = Path("out")
    assert {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()} == {
        "a.png", "a.txt", "masks/a.png", "masks/b.png", "notes.md", "odd.webp", "odd.txt", "plain.png", "plain.txt",
        "turned.png", "turned.txt", "wide.png", "wide.txt",
    }  # fmt: skip
    with Image.open(out / "turned.png") as upright, Image.open(data / "turned.jpg") as lying:
        assert upright.size == (lying.height, lying.width)
        assert upright.getexif().get(274, 1) == 1
    with Image.open(out / "wide.png") as converted:
        assert not converted.info.get("icc_profile")
    assert (out / "turned.txt").read_bytes() == b"zwx ring on sand"
    assert (out / "wide.txt").read_text(encoding="utf-8") == "the jeweler’s bench"
    assert (out / "odd.txt").read_bytes() == b"zwx ring"
    assert (out / "plain.txt").read_text(encoding="utf-8") == "the jeweler’s ring"
    assert (out / "plain.png").read_bytes() == (data / "plain.png").read_bytes()
    for part in ("turned upright", "left out: the same picture as a.png", "UTF-16 saved as UTF-8", "cut short"):
        assert part in told
    assert "data was not touched" in told
    assert not [name for name in os.listdir() if name.startswith(".out")]


def test_colours_are_converted_and_not_only_renamed(tmp_path: Path) -> None:
    from PIL import Image, ImageCms

    from lora_doctor.mend import redrawn

    plain = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    first, second = plain.index(b"rXYZ"), plain.index(b"gXYZ")
    plain[first : first + 4], plain[second : second + 4] = b"gXYZ", b"rXYZ"  # red is green, and green is red
    Image.new("RGB", (8, 8), (200, 10, 10)).save(tmp_path / "a.png", icc_profile=bytes(plain))
    (tmp_path / "b.png").write_bytes(redrawn(tmp_path / "a.png", "png"))
    with Image.open(tmp_path / "b.png") as converted:
        red, green, _ = converted.getpixel((4, 4))
    assert green > 150 > red
    assert "icc_profile" not in converted.info


def test_the_copy_has_nothing_left_to_mend(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["dataset", "fix", "data", "-o", "out"]) == 0
    assert run(["dataset", "fix", "out", "-o", "again", "--json"]) == 0
    text = capsys.readouterr().out
    files = json.loads(text[text.index("{") :])["files"]
    assert [file for file in files if file["done"]] == []


def test_a_dry_run_writes_nothing(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["dataset", "fix", "data", "-o", "out", "--dry-run"]) == 0
    assert "would be written" in capsys.readouterr().out
    assert not Path("out").exists()


@pytest.mark.parametrize("target", ["data", "data/out", ".", "full"])
def test_a_place_that_is_not_free_is_refused(data: Path, target: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("full").mkdir()
    Path("full", "mine.txt").write_text("mine")
    before = state(data)
    assert run(["dataset", "fix", "data", "-o", target]) == 2
    assert capsys.readouterr().err.startswith("lora-doctor: ")
    assert state(data) == before
    assert Path("full", "mine.txt").read_text() == "mine"


def test_names_in_a_table_are_kept(data: Path) -> None:
    (data / "metadata.jsonl").write_text('{"file_name": "turned.jpg", "text": "zwx"}\n')
    assert run(["dataset", "fix", "data", "-o", "out"]) == 0
    assert {"turned.jpg", "b.png", "odd.png", "cut.png"} <= {path.name for path in Path("out").iterdir()}


def test_a_folder_called_fix_is_examined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lora_doctor.dataset.described import write_described

    monkeypatch.chdir(tmp_path)
    Path("fix").mkdir()
    write_described("a.png: 128x128 photo\n", Path("fix"))
    assert run(["dataset", "./fix", "--no-cache"]) in (0, 1)
    assert run(["dataset", "fix"]) == 2
