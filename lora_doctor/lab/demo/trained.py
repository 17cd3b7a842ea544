"""The demo page's part on training: two runs side by side, what they drew, what is said of them, and what is true."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from PIL import Image

from lora_doctor.report.document import marked, plain

from .runs import Course, Sampled

HEADS: Final = {"first": "Eight pictures, in time", "second": "Three pictures, too long"}
WORDS: Final = {  # above a column of samples
    "training": "as trained",
    "novel": "new place",
    "style": "drawn",
    "class": "no trigger",
    "unrelated": "other",
}
COLUMNS: Final = ("training-0", "training-1", "novel-0", "novel-1", "style-0", "class-0", "unrelated-0")
PIXELS: Final = 64  # of a training picture on the page: what the model saw
STYLE: Final = """
.seen { display: flex; gap: 4px; flex-wrap: wrap; margin: 6px 0 14px; }
.seen img, .course td img { image-rendering: pixelated; display: block; border-radius: 4px; }
.seen img { width: 52px; height: 52px; }
.course table { border-collapse: collapse; width: 100%; table-layout: fixed; font-size: .74rem; }
.course th { font-weight: 500; color: var(--soft); padding: 2px; text-align: left; vertical-align: middle; }
.course th:first-child { width: 2.8rem; } .course td { padding: 2px; }
.course td img { width: 100%; border: 2px solid transparent; }
.course td img.copy { border-color: var(--error); }
.truth { width: 100%; border-collapse: collapse; font-size: .92rem; margin: 6px 0; }
.truth th, .truth td { text-align: right; padding: 5px 8px; border-bottom: 1px solid var(--line); font-weight: 400; }
.truth th:first-child { text-align: left; } .truth thead th { color: var(--soft); font-size: .82rem; }
.verdicts { list-style: none; padding: 0; margin: 6px 0 0; display: grid; gap: 12px; font-size: .92rem; }
.verdicts p { margin: 3px 0 0; }
"""


def trained(courses: Sequence[Course]) -> str:
    """The section; without trainings, what they need."""
    if not courses:
        return (
            '<section id="trained"><h2>Two trainings</h2><p>Left out, because packages for training are not installed:'
            " <code>pip install 'lora-doctor[data,train]'</code>, then <code>lora-doctor demo</code> again.</p>"
            "</section>"
        )
    return (
        '<section id="trained"><h2>Two trainings</h2><p class="soft steps">A LoRA learns a robot, which the tiny model '
        "has never seen, under the trigger word <code>zwx</code>: once from eight pictures, once from three of them, "
        "faster and much too long. A picture with a red frame is a copy of a training picture.</p>"
        f'<div class="two">{"".join(_course(each) for each in courses)}</div>{_truth(courses)}'
        f'<div class="two">{"".join(_diagnosis(each) for each in courses)}</div></section>'
    )


def _course(course: Course) -> str:
    seen = "".join(f'<img src="{_picture(path)}" alt="{plain(path.name)}">' for path in course.pictures)
    first = {each.slot: each for each in course.samples}
    heads = "".join(
        f'<th title="{plain(first[slot].prompt)}">{WORDS[first[slot].kind]}</th>' for slot in _slots(course)
    )
    rows = "".join(_row(course, step) for step in course.steps)
    return (
        f'<div class="card course"><h3>{HEADS[course.name]}</h3><p class="run">{plain(course.trained.command)}</p>'
        f'<p class="soft small">Trained on</p><div class="seen">{seen}</div>'
        f"<table><thead><tr><th>step</th>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _slots(course: Course) -> list[str]:
    there = {each.slot for each in course.samples}
    return [slot for slot in COLUMNS if slot in there]


def _row(course: Course, step: int) -> str:
    by_slot = {each.slot: each for each in course.samples if each.step == step and each.nth == 0}
    cells = "".join(f"<td>{_sample(by_slot[slot])}</td>" for slot in _slots(course) if slot in by_slot)
    return f"<tr><th>{step:,}</th>{cells}</tr>"


def _sample(each: Sampled) -> str:
    words = f"{each.prompt}, step {each.step}{', a copy of a training picture' if each.copy else ''}"
    return f'<img class="{"copy" if each.copy else "own"}" src="{_picture(each.path)}" alt="{plain(words)}">'


def _picture(path: Path) -> str:
    """A picture at the size that the model knows, as a data address."""
    with Image.open(path) as image:
        small = image.convert("RGB").resize((PIXELS, PIXELS), Image.Resampling.LANCZOS)
    into = io.BytesIO()
    small.save(into, "PNG")
    return f"data:image/png;base64,{base64.b64encode(into.getvalue()).decode()}"


def _truth(courses: Sequence[Course]) -> str:
    rows = "".join(_truth_row(course, step) for course in courses for step in course.steps)
    return (
        '<h3>What is true of them</h3><div class="card"><p class="soft">The world that the pictures come from is drawn '
        "by a program, so it can be known whether a picture shows the robot, and whether it is nearer to a training "
        "picture than a new drawing of the same scene would be. <code>diagnose</code> has only the files to go by. Of "
        "the pictures asked for with the trigger:</p>"
        '<table class="truth"><thead><tr><th>training</th><th>step</th><th>show the robot</th><th>are copies</th>'
        "<th>copies by diagnose</th></tr>"
        f"</thead><tbody>{rows}</tbody></table></div>"
    )


def _truth_row(course: Course, step: int) -> str:
    taught = course.taught(step)
    counts = (
        sum(each.recognised for each in taught),
        sum(each.copy for each in taught),
        sum(course.suspected(each) for each in taught),
    )
    cells = "".join(f"<td>{count} of {len(taught)}</td>" for count in counts)
    return f"<tr><th>{HEADS[course.name]}</th><td>{step:,}</td>{cells}</tr>"


def _diagnosis(course: Course) -> str:
    said = course.diagnosis.answer or {}
    present = [each for each in said["verdicts"] if each["state"] == "present"]
    items = "".join(_verdict(each) for each in present)
    listed = f'<ul class="verdicts">{items}</ul>' if items else "<p>No symptom found in what could be measured.</p>"
    window = said.get("window")
    keep = f'<p class="below">Keep: {marked(window["sentence"])}</p>' if window else ""
    return (
        f'<div class="card"><h3>{HEADS[course.name]}</h3><p class="run">{plain(course.diagnosis.command)}</p>{listed}'
        f'{keep}<p class="below"><a href="training/{course.name}.html">The full diagnosis</a> (<code>--report '
        f"{course.name}.html</code>)</p></div>"
    )


def _verdict(each: Mapping[str, Any]) -> str:
    since = "" if each["since"] is None else f", since step {each['since']:,}"
    advice = f'<p class="soft">→ {marked(each["advice"][0]["text"])}</p>' if each["advice"] else ""
    return (
        f'<li><span class="tag {plain(each["level"])}">{plain(each["level"])}</span> <strong>{plain(each["title"])}'
        f'</strong> <span class="soft small">{each["confidence"]:.0%} sure{since}</span><p>'
        f"{marked(each['message'])}</p>{advice}</li>"
    )
