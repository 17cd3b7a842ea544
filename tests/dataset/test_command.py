"""`lora-doctor dataset`: exit codes, what it prints, and how it says that something is missing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lora_doctor.dataset.described import write_described

from .conftest import Call

CONFIG = """\
output = "runs/zwx"
[model]
path = "black-forest-labs/FLUX.2-klein-base-9B"
[buckets]
resolution = 512
[[data]]
folder = "images"
"""


def test_nothing_found(call: Call, folder: Path) -> None:
    write_described("a.png: 512x512 photo\na.txt: zwx, a ring on slate", folder)
    ran = call("dataset", folder, "--resolution=512", "--trainer=ai-toolkit", "--select=dataset")
    assert ran.code == 0
    assert "1 folder checked: nothing found" in ran.out
    assert "at 512 px: 512x512 (1); up to 0% cut off" in ran.out


def test_findings_name_the_folder_and_the_files(call: Call, folder: Path) -> None:
    write_described("a.png: 512x512 photo blur=4\nb.png: 512x512 photo", folder)
    ran = call("dataset", folder, "--resolution=512", "--select=dataset")
    assert ran.code == 1
    assert ": warning[blurred-images] 1 image is blurred at 512 px" in ran.out
    assert "px wide): a.png\n  = help: " in ran.out


def test_json(call: Call, folder: Path) -> None:
    write_described("a.png: 512x512 photo blur=4\nb.png: 512x512 photo\nc.png: nothing", folder)
    ran = call("dataset", folder, "--resolution=512", "--trainer=sd-scripts", "--json")
    whole = json.loads(ran.out)
    assert {finding["rule"] for finding in whole["findings"]} >= {"blurred-images", "unreadable-images"}
    assert next(f["about"] for f in whole["findings"] if f["rule"] == "blurred-images") == ["a.png"]
    [found] = whole["dataset"]
    assert [image["file"] for image in found["images"]] == ["a.png", "b.png", "c.png"]
    assert found["images"][0]["blur_at_resolution"] == pytest.approx(4, rel=0.3)
    assert found["images"][2]["error"]
    assert found["buckets"][0]["buckets"] == [{"width": 512, "height": 512, "images": 2}]


def test_a_config_says_everything(call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    write_described("a.png: 512x512 photo blur=4\na.txt: zwx, a ring", folder)
    Path("train.toml").write_text(CONFIG)
    ran = call("dataset", "--config=train.toml", "--select=blurred-images")
    assert ran.code == 1
    assert ran.out.startswith("train.toml:7:10: warning[blurred-images] 1 image is blurred at 512 px")
    linted = call("lint", "--select=blurred-images", "train.toml")
    assert linted.out.splitlines()[0] == ran.out.splitlines()[0]
    assert call("lint", "--no-dataset", "--select=blurred-images", "train.toml").code == 0


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ((), "which folder?"),
        (("nowhere",), "nowhere is no folder"),
        ((".",), "no images in ."),
        (("--config=a.toml", "--batch=2"), "--config says this already: leave out --batch"),
        ((".", "--trainer=nobody"), "`nobody` is no trainer"),
        ((".", "--masks=nowhere"), "nowhere is no folder"),
    ],
)
def test_refused(
    call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...], sentence: str
) -> None:
    monkeypatch.chdir(folder)
    ran = call("dataset", *args)
    assert ran.code == 2
    assert sentence in ran.err


def test_without_the_extra_one_line_says_what_to_install(folder: Path) -> None:
    code = (
        "import sys, importlib.util as u\nreal = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name in ('cv2', 'numpy') else real(name, *a)\n"
        f"from lora_doctor.cli import main\nmain(['dataset', {str(folder)!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "lora-doctor: looking at images needs numpy, opencv-python-headless: pip install 'lora-doctor[data]'\n"
    )


def test_no_cache_leaves_nothing(call: Call, folder: Path, tmp_path: Path) -> None:
    write_described("a.png: 64x64 photo", folder)
    call("dataset", folder, "--no-cache")
    assert not (tmp_path / "cache").exists()
    call("dataset", folder)
    assert list((tmp_path / "cache" / "lora-doctor").glob("images-*.sqlite"))
