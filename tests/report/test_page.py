"""The page on a data set: made from real images, opened in a real browser where there is one."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lora_doctor.cli import run
from lora_doctor.dataset.arrays import missing

pytestmark = pytest.mark.skipif(bool(missing()), reason="images are read with the data extra: lora-doctor[data]")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next((found for name in BROWSERS if (found := shutil.which(name))), None)
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


class _Reader(HTMLParser):
    """Every address, every id, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "srcset", "action", "data") and value is not None:
                self.addresses.append(value)
            if name == "id" and value is not None:
                self.ids.append(value)


def read(path: Path) -> _Reader:
    reader = _Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader


def test_one_file_with_everything_in_it(page: Path) -> None:
    found = read(page)
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
    assert BROWSER is not None
    log = tmp_path / "net.json"
    done = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", f"--user-data-dir={tmp_path / 'profile'}",
         "--enable-logging=stderr", "--virtual-time-budget=3000", f"--log-net-log={log}", "--dump-dom", page.as_uri()],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr, [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert "without remark" in done.stdout
    asked = set(re.findall(r'"url":"((?:https?|wss?)://[^"]*)"', log.read_text(encoding="utf-8", errors="replace")))
    assert not {address for address in asked if "example.com" in address}, asked


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_the_filters_hide_the_rest_and_links_find_their_image(page: Path, tmp_path: Path) -> None:
    assert BROWSER is not None
    script = (
        "const sheet = document.getElementById('sheet-0'); document.querySelector('[data-level=error]').click();"
        "const shown = [...sheet.children].filter((shot) => !shot.hidden)"
        ".map((shot) => shot.querySelector('.name').textContent);"
        "location.hash = '#' + [...sheet.children].find((shot) => shot.hidden).id; setTimeout(() => {"
        "document.title = JSON.stringify([shown, [...sheet.children].filter((shot) => shot.hidden).length]);}, 200);"
    )
    copy = tmp_path / "clicked.html"
    text = page.read_text(encoding="utf-8").replace("</body>", f"<script>{script}</script></body>")
    copy.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", f"--user-data-dir={tmp_path / 'profile'}",
         "--virtual-time-budget=3000", "--dump-dom", copy.as_uri()],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    assert title, done.stderr[-500:]
    shown, hidden = json.loads(title[1])
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
