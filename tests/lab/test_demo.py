"""`lora-doctor demo`: the installed command, from nothing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lora_doctor.lab.demo.steps import DEFECTS
from lora_doctor.lab.world.defects import DEFECTS as ALL
from tests.end_to_end.process import call, command
from tests.lab.conftest import WITH_TORCH

needs_training = pytest.mark.skipif(not WITH_TORCH, reason="needs the [train] extra")


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    line = command("demo", "--output", "shown")
    done = subprocess.run(line, cwd=folder, capture_output=True, encoding="utf-8", check=False, timeout=1800)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "open shown/index.html"
    return folder / "shown"


@pytest.mark.slow
@needs_training
def test_everything_stays_in_one_folder(played: Path) -> None:
    assert {path.name for path in played.iterdir()} == {
        *("dataset", "dataset.html", "index.html", "mended.yaml", "train.yaml", "training"),
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
    for link in re.findall(r'href="([^#"]+html)"', page):
        assert (played / link).is_file()


@pytest.mark.slow
def test_mending_leaves_fewer_errors(played: Path) -> None:
    before = call("lint", "--no-dataset", "--format", "concise", "train.yaml", cwd=played).stdout
    after = call("lint", "--no-dataset", "--format", "concise", "mended.yaml", cwd=played).stdout
    assert " error[" in before
    assert after.count(" error[") < before.count(" error[")
    assert "distilled-base" in before
    assert "distilled-base" not in after


@pytest.mark.slow
@needs_training
def test_both_trainings_are_whole(played: Path) -> None:
    for name, steps in (("first", 250), ("second", 400)):
        run = played / "training" / name
        assert json.loads((run / "run.json").read_text(encoding="utf-8"))["status"] == "finished"
        assert (run / "checkpoints" / f"step-{steps:06}" / "pytorch_lora_weights.safetensors").is_file()
        assert (run / "samples" / "step-000000").is_dir()


@pytest.mark.slow
@needs_training
def test_the_first_learns_and_the_second_copies(played: Path) -> None:
    page = (played / "index.html").read_text(encoding="utf-8")
    rows = re.findall(r"<tr><th>(\w+) pictures[^<]*</th><td>(\d+)</td><td>(\d+) of 10</td><td>(\d+) of 10", page)
    told = {(name, int(step)): (int(known), int(copies)) for name, step, known, copies in rows}
    assert told["Eight", 0] == told["Three", 0] == (0, 0)
    assert told["Eight", 250][0] >= 8
    assert told["Eight", 250][1] <= 1
    assert told["Three", 400][1] >= 3
    assert page.count('<img class="copy"') >= 2


@pytest.mark.slow
@needs_training
def test_without_the_packages_for_training_the_rest_is_there(tmp_path: Path) -> None:
    script = "import sys; sys.modules['torch'] = None; from lora_doctor.cli import main; sys.exit(main())"
    line = [sys.executable, "-c", script, "demo", "--output", "shown"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "for want of torch: pip install 'lora-doctor[data,train]'" in done.stderr
    assert not (tmp_path / "shown" / "training").exists()
    assert "lora-doctor[data,train]" in (tmp_path / "shown" / "index.html").read_text(encoding="utf-8")


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious.txt").write_text("x")
    done = call("demo", "--output", "mine", cwd=tmp_path)
    assert done.returncode == 2
    assert "mine is there already" in done.stderr
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["precious.txt"]
