"""One HTML file that needs nothing else and asks nobody for anything: what every page of lora-doctor stands in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files

from lora_doctor.report.terminal import printable

# Nothing may be fetched: not by a caption with markup in it either.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'"


def document(
    title: str,
    links: Iterable[tuple[str, str]],
    body: Iterable[str],
    foot: str,
    *,
    styles: Sequence[str] = ("page.css",),
    scripts: Sequence[str] = ("page.js",),
) -> str:
    """The whole file. links: address on the page and name, for the bar at the top."""
    folder = files("lora_doctor.report")
    style, script = ("".join(folder.joinpath(name).read_text(encoding="utf-8") for name in names)
                     for names in (styles, scripts))  # fmt: skip
    bar = "".join(f"<a href=#{to}>{name}</a>" for to, name in links)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f'<title>{plain(title)} &middot; lora-doctor</title>\n<link rel="icon" href="data:,">\n'
        f'<style>\n{style}</style>\n</head>\n<body>\n<nav><div class="top-in">{bar}</div></nav>\n'
        f"<main>\n{''.join(body)}\n</main>\n{foot}\n<script>\n{script}</script>\n</body>\n</html>\n"
    )


def plain(text: object) -> str:
    """Escaped, and without characters that turn or hide text."""
    return escape(printable(str(text)))


def marked(text: str) -> str:
    """A sentence with its `code` set as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", plain(text))


def lines(text: str) -> str:
    """Text of several lines, each made plain."""
    return "\n".join(plain(line) for line in text.split("\n"))
