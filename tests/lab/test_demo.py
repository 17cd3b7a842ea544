"""`lora-doctor demo`: the installed command, from nothing."""

from __future__ import annotations

import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lora_doctor.lab.demo.steps import DEFECTS
from lora_doctor.lab.world.defects import DEFECTS as ALL
from tests.end_to_end.process import call, command


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    line = command("demo", "--output", "shown")
    done = subprocess.run(line, cwd=folder, capture_output=True, encoding="utf-8", check=False, timeout=900)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "open shown/index.html"
    return folder / "shown"


@pytest.mark.slow
def test_everything_stays_in_one_folder(played: Path) -> None:
    assert {path.name for path in played.iterdir()} == {
        *("dataset", "dataset.html", "index.html", "mended.yaml", "train.yaml"),
    }


@pytest.mark.slow
def test_every_defect_put_in_is_found(played: Path) -> None:
    page = (played / "index.html").read_text(encoding="utf-8")
    for defect in DEFECTS:
        card = next(part for part in page.split('<div class="card shot">') if f"put in: {defect}" in part)
        assert ALL[defect].rule in card


@pytest.mark.slow
def test_the_page_is_whole_and_fetches_nothing(played: Path) -> None:
    page = (played / "index.html").read_text(encoding="utf-8")
    assert not re.findall(r"""(?:src|href)=["']?(?:https?:)?//""", page)
    open_tags: list[str] = []

    class Balanced(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag not in ("meta", "link", "img"):
                open_tags.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert open_tags.pop() == tag

    Balanced().feed(page)
    assert open_tags == []
    assert "lora-doctor explain distilled-base" in page
    assert 'href="dataset.html"' in page


@pytest.mark.slow
def test_mending_leaves_fewer_errors(played: Path) -> None:
    before = call("lint", "--no-dataset", "--format", "concise", "train.yaml", cwd=played).stdout
    after = call("lint", "--no-dataset", "--format", "concise", "mended.yaml", cwd=played).stdout
    assert " error[" in before
    assert after.count(" error[") < before.count(" error[")
    assert "distilled-base" in before
    assert "distilled-base" not in after


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious.txt").write_text("x")
    done = call("demo", "--output", "mine", cwd=tmp_path)
    assert done.returncode == 2
    assert "mine is there already" in done.stderr
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["precious.txt"]
