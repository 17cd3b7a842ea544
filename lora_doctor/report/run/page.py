"""The page on a training run: what is wrong, since when, what to do, and everything that was looked at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from lora_doctor import __version__
from lora_doctor.report.document import document, marked, plain
from lora_doctor.report.run.axis import step_axis
from lora_doctor.report.run.edits import fix_list
from lora_doctor.report.run.facts import RunPage
from lora_doctor.report.run.sheet import address, contact_sheet, strength_sweep
from lora_doctor.report.run.weights import heat_map
from lora_doctor.symptoms.course import shown
from lora_doctor.symptoms.describe import likelihood
from lora_doctor.symptoms.judge import Diagnosed
from lora_doctor.symptoms.signals import Reading
from lora_doctor.symptoms.verdict import ABSENT, UNKNOWN

STRIP = 8  # pictures beside a verdict
TONES = {"error": "error", "warning": "warning", "note": "note"}


def render_run(page: RunPage) -> str:
    """The whole file."""
    parts = {
        "verdicts": ("Verdicts", _verdicts(page)),
        "fix": ("What to do", fix_list(page)),
        "axis": ("Over the run", step_axis(page)),
        "samples": ("Samples", contact_sheet(page)),
        "strengths": ("Strength", strength_sweep(page)),
        "weights": ("Weights", heat_map(page)),
        "unmeasured": ("Not measured", _unmeasured(page)),
    }
    links = [("glance", "At a glance"), *((to, name) for to, (name, body) in parts.items() if body)]
    body = [_top(page), *(body for _, body in parts.values())]
    name = page.run.folder.absolute().name
    return document(
        f"{name}: diagnosis", links, body, _foot(), styles=("page.css", "run.css"), scripts=("page.js", "run.js")
    )


def _top(page: RunPage) -> str:
    run, course = page.run, page.course
    told = [run.trainer or "trainer not known", course.family or "model not known"]
    told += [f"for a {course.purpose}"] if course.purpose else []
    told += ["still training"] if run.running else []
    tone, headline = _headline(page)
    return (
        f'<header id="glance"><h1>{plain(run.folder.absolute().name)}</h1><p class="soft">A LoRA training, looked at '
        f"through the files it left: {' &middot; '.join(plain(part) for part in told)}</p>"
        f'<div class="card"><p class="verdict {tone}">{plain(headline)}</p>{_keep(page)}{_tally(page)}'
        f'<dl class="tiles">{"".join(_tiles(page))}</dl></div></header>'
    )


def _headline(page: RunPage) -> tuple[str, str]:
    """The worst that is there, in one line."""
    own = [each for each in page.present if each.rule.level != "note"]
    if own:
        more = f", and {len(own) - 1} more symptom{'s' * (len(own) > 2)}" if len(own) > 1 else ""
        return TONES[own[0].rule.level], own[0].rule.title.rstrip(".") + more
    unknown = any(each.verdict.state == UNKNOWN for each in page.diagnosed)
    return ("note" if unknown else "good"), "No symptom found in what could be measured"


def _keep(page: RunPage) -> str:
    """The checkpoint to use, or why none can be named."""
    window = page.course.window
    if window is None:
        why = "no loss on held-out images was measured, so no checkpoint can be called the best"
        return f'<p class="keep"><b>Checkpoint to keep:</b> not known ({why}).</p>'
    ends = [f"{word}: {why}" for word, why in (("begins", window.opens), ("ends", window.closes)) if why]
    small = f'<span class="soft small">Where the usable window {plain("; ".join(ends))}.</span>' if ends else ""
    return f'<p class="keep"><b>Checkpoint to keep:</b> {marked(window.sentence)}. {small}</p>'


def _tally(page: RunPage) -> str:
    """Every symptom that was asked for as one box: there, not there, can't tell."""
    boxes = "".join(
        f'<a class="box {_tone(each)}" href="#{each.rule.id}" title="{plain(each.rule.title)} ({each.verdict.state})">'
        f'<span class="none-seen">{plain(each.rule.title)}</span></a>'
        for each in page.diagnosed
    )
    counts = [sum(each.verdict.state == state for each in page.diagnosed) for state in ("present", ABSENT, UNKNOWN)]
    return (
        f'<div class="tally">{boxes}</div><p class="soft small">{counts[0]} symptoms are there, {counts[1]} are not, '
        f"{counts[2]} can't be told from what was measured.</p>"
    )


def _tone(each: Diagnosed) -> str:
    return each.rule.level if each.verdict.present else "good" if each.verdict.state == ABSENT else "unknown"


def _tiles(page: RunPage) -> Iterator[str]:
    run, course = page.run, page.course
    exposures = course.signals.get("exposures")
    tiles = [
        ("checkpoints", f"{len(run.checkpoints):,}"),
        ("samples", f"{len(run.samples):,}"),
        (f"{run.axis}s", f"{course.reached:,}" if course.reached is not None else "not known"),
        ("showings of each image", f"{exposures.values[-1]:,.0f}" if exposures else "not known"),
        ("trigger", course.trigger or "not known"),
    ]
    return (f"<div><dt>{plain(name)}</dt><dd>{plain(told)}</dd></div>" for name, told in tiles)


def _verdicts(page: RunPage) -> str:
    present = "".join(_card(page, each) for each in page.present)
    absent = [each for each in page.diagnosed if each.verdict.state == ABSENT]
    unknown = [each for each in page.diagnosed if each.verdict.state == UNKNOWN]
    parts = [f'<ul class="todo">{present}</ul>' if present else '<p class="soft">No symptom was found.</p>']
    if unknown:
        rows = "".join(_quiet(each, _needs(each)) for each in unknown)
        parts.append(f'<h3>Can\'t be told</h3><ul class="card quiet">{rows}</ul>')
    if absent:
        rows = "".join(_quiet(each, f"{each.verdict.message} ({each.verdict.confidence:.0%} sure)") for each in absent)
        parts.append(f'<h3>Not there</h3><ul class="card quiet">{rows}</ul>')
    return f'<section id="verdicts"><h2>Verdicts</h2>{"".join(parts)}</section>'


def _quiet(each: Diagnosed, told: str) -> str:
    return (
        f'<li id="{each.rule.id}"><i class="dot {_tone(each)}"></i><div><b>{plain(each.rule.title)}</b> '
        f'<span class="soft">{marked(told)}</span></div></li>'
    )


def _needs(each: Diagnosed) -> str:
    verdict = each.verdict
    missing = [need for need in verdict.needs if need not in verdict.message][:3]
    needs = f" It would take: {'; '.join(missing)}." if missing else ""
    return f"{verdict.message}.{needs}"


def _card(page: RunPage, each: Diagnosed) -> str:
    verdict = each.verdict
    since = f" &middot; since {page.run.axis} {verdict.since:,}" if verdict.since is not None else ""
    why = "".join(_evidence(reading) for reading in sorted(verdict.evidence, key=lambda r: -r.weight))
    table = (
        '<details><summary>The measurements behind it</summary><div class="scroll"><table class="evidence"><thead><tr>'
        "<th>measured</th><th>value</th><th>limit</th><th>compared with</th><th>speaks</th><th>the limit's source</th>"
        f"</tr></thead><tbody>{why}</tbody></table></div></details>"
    )
    do = "".join(f'<p class="do">{marked(advice.text)}</p>' for advice in verdict.advice[:3])
    return (
        f'<li class="card" id="{each.rule.id}"><div><span class="tag {each.rule.level}">{each.rule.level}</span></div>'
        f"<div><h3>{plain(each.rule.title)}</h3><p>{marked(verdict.message)}</p>"
        f'<p class="sure">{_meter(verdict.confidence, each.rule.level)}<span>{likelihood(verdict.confidence)}, '
        f"{verdict.confidence:.0%}{since}</span></p>{do}{_strip(page, verdict.about)}{table}"
        f'<p class="soft small"><code>lora-doctor explain {each.rule.id}</code></p></div></li>'
    )


def _meter(confidence: float, tone: str) -> str:
    filled = f'<span class="bar-fill {tone}" style="width:{confidence * 100:.0f}%"></span>'
    return f'<span class="bar-track meter">{filled}</span>'


def _evidence(reading: Reading) -> str:
    unit, signal = reading.spec.unit, reading.signal
    base = (
        f"{shown(signal.baseline, unit)} ({signal.against})" if signal.baseline is not None and signal.against else ""
    )
    speaks = {"alarm": "clearly for it", "warn": "for it", "clean": "against it"}[reading.level]
    source = f"{reading.limit.provenance}{': ' if reading.limit.source else ''}{reading.limit.source}"
    cells = [reading.spec.title, shown(reading.value, unit), shown(reading.limit.warn, unit), base, speaks, source]
    return "<tr>" + "".join(f"<td>{plain(cell)}</td>" for cell in cells) + "</tr>"


def _strip(page: RunPage, about: Sequence[str]) -> str:
    """The first pictures it speaks of, each beside the training image it shows; those on the sheet are links to it."""
    known = {name.rpartition("/")[2]: name for name in page.pictures}
    names = [name if name in page.pictures else known.get(name, "") for name in about]
    seen: dict[str, int] = {}  # different training images first
    rounds = []
    base = {name for (_, step), name in page.sheet.items() if step == 0}  # what is there no LoRA has made
    for name in dict.fromkeys(name for name in names if name and name not in base):
        match = page.copies.get(name)
        shows = match.picture if match else name
        seen[shows] = seen.get(shows, -1) + 1
        rounds.append((seen[shows], name))
    placed = {name for (_, step), name in page.sheet.items() if step != 0}
    items = []
    for _, name in sorted(rounds, key=lambda pair: pair[0])[:STRIP]:
        picture = f'<img src="{page.pictures[name]}" alt="{plain(name)}" loading="lazy">'
        match = page.copies.get(name)
        beside = page.training.get(match.picture, "") if match else ""
        if match and beside:
            picture += f'<img src="{beside}" alt="training image {plain(match.picture)}" loading="lazy">'
        link = f'<a href="#{address(name)}" title="{plain(name)}">{picture}</a>'
        items.append(link if name in placed else f'<span title="{plain(name)}">{picture}</span>')
    return f'<div class="strip">{"".join(items)}</div>' if items else ""


def _unmeasured(page: RunPage) -> str:
    """What is not there and what it would have told; signals by the reason they could not be taken."""
    course = page.course
    gaps = "".join(
        f'<li><b>{plain(gap.what)}</b> <span class="soft">would tell {plain(gap.tells)}. To have it: '
        f"{marked(gap.how)}.</span></li>"
        for gap in page.run.gaps
    )
    by_reason: dict[str, list[str]] = defaultdict(list)
    for name, why in course.unmeasured.items():
        by_reason[why].append(course.specs[name].title)
    rows = "".join(
        f'<li><b>{plain(why)}</b> <span class="soft">{plain("; ".join(titles))}</span></li>'
        for why, titles in by_reason.items()
    )
    aside = "".join(f"<li><b>{plain(each.name)}</b> <span class=\"soft\">{plain(each.why)}</span></li>"
                    for each in page.run.aside[:40])  # fmt: skip
    parts = [("Missing from the run", gaps), ("Signals that could not be taken", rows), ("Set aside", aside)]
    listed = "".join(f'<h3>{title}</h3><ul class="card plain-list">{items}</ul>' for title, items in parts if items)
    if not listed:
        return ""
    return (
        '<section id="unmeasured"><h2>What was not measured</h2><p class="soft">A verdict is only as good as what it '
        f"stands on. This is what would have made it surer.</p>{listed}</section>"
    )


def _foot() -> str:
    return (
        f"<footer><p>lora-doctor {__version__}. Confidence is how sure the tool is that a verdict is right, from "
        "evidence of several kinds; the limits behind it are named with their source, and those not yet calibrated say "
        "so. This page is one file: the small pictures are in it, nothing is fetched, and no file of the run was "
        "changed.</p></footer>"
    )
