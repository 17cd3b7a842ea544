"""The page on a data set: made from real images, opened in a real browser where there is one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lora_doctor.cli import run
from lora_doctor.dataset.arrays import missing
from tests.browser import BROWSER, Read, opened

pytestmark = pytest.mark.skipif(bool(missing()), reason="images are read with the data extra: lora-doctor[data]")
IMAGES = """\
a.png: 640x480 photo
b.png: 480x640 photo
c.png: 640x480 like=a.png
d.png: 640x640 photo blur=8
e.jpg: 1200x500 photo quality=20
f g&h.png: 400x400 photo
cut.png: 300x300 photo cut=0.4
"""
EVIL = "zwx ring <img src=https://example.com/x.png onerror=alert(1)> </script><b>&"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from lora_doctor.dataset.described import write_described

    folder = tmp_path_factory.mktemp("page")
    data = folder / "data"
    data.mkdir()
    write_described(IMAGES, data)
    texts = {"a": "zwx ring on slate", "b": EVIL, "c": "zwx ring on slate", "d": "zwx ring on sand", "e": ""}
    for name, text in texts.items():
        (data / f"{name}.txt").write_text(text, encoding="utf-8")
    path = folder / "report.html"
    assert run(["dataset", str(data), "--trainer", "sd-scripts", "--report", str(path), "--no-cache"]) == 1
    return path


def test_one_file_with_everything_in_it(page: Path) -> None:
    found = Read(page)
    assert all(address.startswith(("data:", "#")) for address in found.addresses)
    assert "link" in found.tags
    assert len(set(found.ids)) == len(found.ids)
    inside = {address[1:] for address in found.addresses if address.startswith("#")}
    assert inside <= set(found.ids)
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"@import|url\(", text)


def test_a_caption_is_text_and_nothing_else(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "<img src=https" not in text
    assert "&lt;img src=https://example.com/x.png onerror=alert(1)&gt;" in text
    assert text.count("</script>") == 1


def test_it_says_what_is_wrong_and_shows_it(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for part in ("Not ready", "A caption file is empty", "lora-doctor explain empty-caption", "640 &times; 480"):
        assert part in text
    assert "The captions are the same too" in text
    assert "f g&amp;h.png" in text
    assert text.count('class="crop"') >= 5


def test_the_list_to_copy_names_the_files(page: Path) -> None:
    match = re.search(r"<textarea[^>]*>(.*?)</textarea>", page.read_text(encoding="utf-8"), re.S)
    assert match
    assert "- [ ] error: " in match[1]
    assert "[e.jpg]" in match[1]


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_a_browser_renders_it_without_a_complaint_or_a_request(page: Path, tmp_path: Path) -> None:
    found = opened(page, tmp_path)
    assert not found.complaints
    assert "without remark" in found.dom
    assert not {address for address in found.asked if "example.com" in address}, found.asked


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_the_filters_hide_the_rest_and_links_find_their_image(page: Path, tmp_path: Path) -> None:
    script = (
        "const sheet = document.getElementById('sheet-0'); document.querySelector('[data-level=error]').click();"
        "const shown = [...sheet.children].filter((shot) => !shot.hidden)"
        ".map((shot) => shot.querySelector('.name').textContent);"
        "location.hash = '#' + [...sheet.children].find((shot) => shot.hidden).id; setTimeout(() => {"
        "document.title = JSON.stringify([shown, [...sheet.children].filter((shot) => shot.hidden).length]);}, 200);"
    )
    shown, hidden = json.loads(opened(page, tmp_path, script=script).title)
    assert sorted(shown) == ["cut.png", "e.jpg"]
    assert hidden == 0, "a link to an image that the filter hides shows all again"


def test_without_captions_it_says_so(tmp_path: Path) -> None:
    from lora_doctor.dataset.described import write_described

    (tmp_path / "data").mkdir()
    write_described("a.png: 300x300 photo\n", tmp_path / "data")
    path = tmp_path / "r.html"
    run(["dataset", str(tmp_path / "data"), "--report", str(path), "--no-cache"])
    text = path.read_text(encoding="utf-8")
    assert "Not measured: captions, because none were found" in text
    assert "Not measured: buckets and crops" in text


def test_the_page_beside_json_output(page: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["dataset", str(page.parent / "data"), "--json", "--no-cache", "--report", str(tmp_path / "r.html")])
    assert json.loads(capsys.readouterr().out)["dataset"]
    assert (tmp_path / "r.html").exists()
