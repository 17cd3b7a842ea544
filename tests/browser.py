"""A page of ours, opened in headless Chromium where there is one."""

from __future__ import annotations

import re
import shutil
import subprocess
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next((found for name in BROWSERS if (found := shutil.which(name))), None)
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--enable-logging=stderr",
)  # fmt: skip


class Opened(NamedTuple):
    """What came of it: the title (where a script leaves its answer), complaints on the console, addresses asked for."""

    title: str
    dom: str
    complaints: list[str]
    asked: set[str]


def opened(page: Path, folder: Path, *flags: str, script: str = "") -> Opened:
    """Open a copy of the page with a script at its end."""
    assert BROWSER is not None
    copy, log = folder / "opened.html", folder / "net.json"
    text = page.read_text(encoding="utf-8")
    copy.write_text(text.replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8")
    done = subprocess.run(
        [BROWSER, *QUIET, *flags, f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=3000",
         f"--log-net-log={log}", "--dump-dom", copy.as_uri()],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    asked = set(re.findall(r'"url":"((?:https?|wss?)://[^"]*)"', log.read_text(encoding="utf-8", errors="replace")))
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return Opened(unescape(title[1]) if title else "", done.stdout, complaints, asked)


class Read(HTMLParser):
    """Every address, every id and every tag of a page."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "srcset", "action", "data") and value is not None:
                self.addresses.append(value)
            if name == "id" and value is not None:
                self.ids.append(value)
