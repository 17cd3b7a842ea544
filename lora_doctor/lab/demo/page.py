"""The demo's page: one HTML file that fetches nothing."""

from __future__ import annotations

import base64
import difflib
import io
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from PIL import Image, ImageOps

from lora_doctor import __version__
from lora_doctor.report.document import POLICY, marked, plain

from .steps import Shown
from .trained import STYLE as TRAINED_STYLE
from .trained import trained

THUMB: Final = 320  # px
OWN_STYLE: Final = """
.code { font: .84rem/1.6 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-x: auto; padding: 14px 0; }
.code ol { list-style: none; margin: 0; padding: 0; } .code li { padding: 0 18px; white-space: pre; }
.code li.error { background: var(--error-bg); } .code li.warning { background: var(--warning-bg); }
.code li.note { background: var(--note-bg); } .code li.plus { background: var(--good-bg); }
.code li.minus { background: var(--error-bg); }
.run { font: .9rem ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; margin: 10px 0 14px; }
.run::before { content: "$ "; color: var(--soft); } .steps { font-size: 1.02rem; max-width: 46em; }
"""


def render(shown: Shown, folder: Path) -> str:
    """The whole page."""
    style = files("lora_doctor.report").joinpath("page.css").read_text(encoding="utf-8")
    links = (("data", "Dataset"), ("config", "Config"), ("mended", "Mended"), ("trained", "Training"), ("next", "Next"))
    navigation = "".join(f"<a href=#{to}>{name}</a>" for to, name in links)
    body = _top(shown) + _dataset(shown, folder) + _config(shown) + _mended(shown) + trained(shown.courses) + _next()
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<title>lora-doctor demo</title>\n<link rel="icon" href="data:,">\n'
        f"<style>\n{style}{OWN_STYLE}{TRAINED_STYLE}</style>\n</head>\n<body>\n"
        f'<nav><div class="top-in">{navigation}</div></nav>\n<main>\n{body}\n</main>\n'
        f"<footer><p>lora-doctor {plain(__version__)}. This page fetches nothing; every finding on it was said by "
        "the command above it.</p></footer>\n</body>\n</html>\n"
    )


def _top(shown: Shown) -> str:
    spoiled = sum(1 for each in shown.written if each.defect)
    tiles = (
        ("pictures drawn", len(shown.written)),
        ("defects put in", spoiled),
        ("findings about them", len(shown.exam.findings)),
        ("findings in the config", len(shown.lint.findings)),
        ("left after --fix", len(shown.mended.findings)),
    )
    listed = "".join(f"<div><dt>{name}</dt><dd>{number}</dd></div>" for name, number in tiles)
    return (
        '<header><h1>What lora-doctor sees before and after a run</h1><p class="soft steps">A small dataset was drawn, '
        "six defects were put into it, and a config was written that parses, starts, and loses the night. Then the "
        f'same commands ran that you would run on your own files.</p><div class="card"><dl class="tiles" '
        f'style="margin:0">{listed}</dl></div></header>'
    )


def _dataset(shown: Shown, folder: Path) -> str:
    cards = []
    for each in shown.written:
        stem = each.name.rsplit(".", 1)[0]
        path = next(p for p in sorted((folder / "dataset").glob(f"{stem}.*")) if p.suffix != ".txt")
        found = [f for f in shown.exam.findings if any(Path(n).stem == stem for n in f.get("about", ()))]
        cards.append(_card(path, each.defect, each.caption, found))
    return (
        f'<section id="data"><h2>The dataset</h2><p class="run">{plain(shown.exam.command)}</p>'
        f"{_list(shown.exam.findings)}"
        f'<div class="sheet">{"".join(cards)}</div><p class="below"><a href="dataset.html">The full report on the '
        "dataset</a> (<code>--report dataset.html</code>)</p></section>"
    )


def _card(path: Path, defect: str | None, caption: str, found: Sequence[Mapping[str, Any]]) -> str:
    source = _thumb(path)
    picture = f'<img src="{source}" alt="{plain(path.name)}">' if source else '<p class="small">cannot be opened</p>'
    tag = f'<span class="tag warning">put in: {plain(defect)}</span>' if defect else ""
    tag = tag or '<span class="tag good">nothing put in</span>'
    why = "".join(f'<li class="{plain(f["level"])}">{plain(f["rule"])}</li>' for f in found)
    return (
        f'<div class="card shot"><div class="frame">{picture}</div><div class="text"><span class="name">'
        f'{plain(path.name)}</span><span>{tag}</span><ul class="why">{why}</ul><span class="soft">{plain(caption)}'
        "</span></div></div>"
    )


def _thumb(path: Path) -> str | None:
    """A small picture as a data address, lying as its pixels do; None if it cannot be opened."""
    try:
        with Image.open(path) as image:
            small = ImageOps.contain(image.convert("RGB"), (THUMB, THUMB))
    except OSError:
        return None
    into = io.BytesIO()
    small.save(into, "JPEG", quality=86)
    return f"data:image/jpeg;base64,{base64.b64encode(into.getvalue()).decode()}"


def _list(findings: Sequence[Mapping[str, Any]]) -> str:
    if not findings:
        return '<p class="soft">Nothing was found.</p>'
    order = ("error", "warning", "note")
    ordered = sorted(findings, key=lambda each: order.index(each["level"]))
    items = "".join(
        f'<li class="card"><div><span class="tag {plain(f["level"])}">{plain(f["level"])}</span></div><div><p>'
        f'{marked(f["message"])}</p><p class="soft small"><code>lora-doctor explain {plain(f["rule"])}</code></p></div>'
        "</li>"
        for f in ordered
    )
    return f'<ul class="todo">{items}</ul>'


def _config(shown: Shown) -> str:
    worst: dict[int, str] = {}
    for level in ("note", "warning", "error"):
        worst |= {f["line"]: level for f in shown.lint.findings if f["level"] == level}
    lines = "".join(
        f'<li class="{worst.get(number, "")}">{plain(line) or " "}</li>'
        for number, line in enumerate(shown.config.splitlines(), 1)
    )
    return (
        f'<section id="config"><h2>The config</h2><p class="run">{plain(shown.lint.command)}</p><div class="two"><div '
        f'class="card code"><ol>{lines}</ol></div><div>{_list(shown.lint.findings)}</div></div></section>'
    )


def _mended(shown: Shown) -> str:
    rows = difflib.unified_diff(shown.config.splitlines(), shown.mended_config.splitlines(), lineterm="", n=1)
    lines = "".join(
        f'<li class="{"plus" if row[0] == "+" else "minus" if row[0] == "-" else ""}">{plain(row) or " "}</li>'
        for row in list(rows)[2:]
    )
    return (
        '<section id="mended"><h2>The config, mended</h2><p class="run">lora-doctor lint --fix --unsafe-fixes '
        f'mended.yaml</p><div class="two"><div class="card code"><ol>{lines}</ol></div><div><p class="soft">What is '
        f"left for you to decide:</p>{_list(shown.mended.findings)}</div></div></section>"
    )


def _next() -> str:
    lines = (
        "lora-doctor lint path/to/your/config",
        "lora-doctor dataset path/to/your/images --report report.html",
        "lora-doctor diagnose path/to/a/run",
    )
    return (
        '<section id="next"><h2>On your own files</h2>'
        + "".join(f'<p class="run">{x}</p>' for x in lines)
        + "</section>"
    )
