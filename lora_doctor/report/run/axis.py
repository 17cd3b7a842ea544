"""The step axis: symptoms, checkpoints, samples and every signal over the same steps, the usable window behind them.

Each row is an SVG that stretches to the room there is; text stays outside of it, so that it never stretches.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from lora_doctor.report.charts import tick_step
from lora_doctor.report.document import plain
from lora_doctor.report.run.facts import RunPage
from lora_doctor.symptoms.course import Course, shown
from lora_doctor.symptoms.signals import Limit, Signal, Spec
from lora_doctor.symptoms.window import Window

GROUPS = {
    "images": "What the samples show",
    "encoders": "What the encoders see in them",
    "denoiser": "What the model itself was asked",
    "logs": "What the logs say",
    "weights": "What the checkpoints weigh",
    "captions": "What the captions say",
}
WIDE, HIGH, EDGE = 1000.0, 60.0, 6.0  # of a row's own units
FAR = 3.0  # spans of the values beyond which a limit is not drawn
TICKS = 6


class Scale(NamedTuple):
    """Steps to the row's units."""

    first: int
    last: int

    def x(self, step: float) -> float:
        """Where a step stands, 0 to WIDE."""
        return EDGE + (WIDE - 2 * EDGE) * (step - self.first) / max(self.last - self.first, 1)

    def share(self, step: float) -> float:
        """The same in percent of the row's width."""
        return 100 * self.x(step) / WIDE


def step_axis(page: RunPage) -> str:
    """The section; empty where nothing has a step."""
    course = page.course
    known = sorted({*course.run.steps, *(step for signal in course.signals.values() for step in signal.at)})
    if not known or known[0] == known[-1]:
        return ""
    scale = Scale(min(0, known[0]), known[-1])
    parts = [_events(page, scale)]
    for kind, title in GROUPS.items():
        rows = [_row(course, signal, scale) for signal in _of(course, kind)]
        if rows:
            parts.append(f'<h3 class="group">{title}</h3>{"".join(rows)}')
    steps = ",".join(str(step) for step in known)
    return (
        '<section id="axis"><h2>Over the run</h2><p class="soft">Everything that was measured, over the same '
        f"{course.run.axis}s. A coloured ground is where a value speaks for a symptom{_window_told(course.window)}. "
        "The raw training loss is not here: random noise levels drown it.</p>"
        f'<div class="card axis" data-steps="{steps}" data-first="{scale.first}" data-last="{scale.last}" '
        f'data-word="{course.run.axis}">{"".join(parts)}{_ticks(scale, course.run.axis)}</div></section>'
    )


def _window_told(window: Window | None) -> str:
    if window is None or window.first is None:
        return ""
    return "; the green band is the window of usable checkpoints, the green line the one to keep"


def _of(course: Course, kind: str) -> list[Signal]:
    """Signals of a kind, those beyond their limits first."""
    rank = {"alarm": 0, "warn": 1, "clean": 2, "": 3}
    own = [s for name, s in course.signals.items() if course.specs[name].kind == kind and _finite(s)]
    return sorted(own, key=lambda signal: rank[_level(course, signal)])


def _finite(signal: Signal) -> bool:
    return any(math.isfinite(value) for value in signal.values)


def _level(course: Course, signal: Signal) -> str:
    reading = course.read(signal.name)
    return reading.level if reading else ""


def _events(page: RunPage, scale: Scale) -> str:
    """Rows without values: from when each symptom is there, where the checkpoints and samples lie."""
    rows = []
    for each in page.present:
        since = each.verdict.since
        start = scale.first if since is None else since
        bar = (
            f'<rect class="lane {each.rule.level}" x="{scale.x(start):.1f}" y="22" '
            f'width="{max(3.0, scale.x(scale.last) - scale.x(start)):.1f}" height="16" rx="3"/>'
        )
        told = f"since {page.run.axis} {since:,}" if since is not None else "when it began is not known"
        rows.append(_line(plain(each.rule.title), told, _svg(page.course.window, scale, bar), "low"))
    for word, items in (("checkpoints", page.run.checkpoints), ("samples", page.run.samples)):
        steps = sorted({item.step for item in items if item.step is not None})
        marks = "".join(f'<path class="mark" d="M{scale.x(s):.1f} 20v20"/>' for s in steps)
        if steps:
            rows.append(_line(word.capitalize(), f"{len(items):,}", _svg(page.course.window, scale, marks), "low"))
    return "".join(rows)


def _line(name: str, told: str, svg: str, kind: str = "", extra: str = "") -> str:
    return (
        f'<div class="track {kind}"{extra}><div class="track-name"><span>{name}</span>'
        f'<span class="soft small told">{told}</span></div><div class="plot">{svg}</div></div>'
    )


def _svg(window: Window | None, scale: Scale, inside: str, label: str = "") -> str:
    role = f'role="img" aria-label="{plain(label)}"' if label else 'aria-hidden="true"'
    drawn = f"{_window(window, scale)}{inside}{_pick(window, scale)}"
    return f'<svg viewBox="0 0 {WIDE:g} {HIGH:g}" preserveAspectRatio="none" {role}>{drawn}</svg>'


def _window(window: Window | None, scale: Scale) -> str:
    """The band of usable checkpoints."""
    if window is None or window.first is None or window.last is None:
        return ""
    left, right = scale.x(window.first), scale.x(window.last)
    return f'<rect class="window" x="{left:.1f}" y="0" width="{max(2.0, right - left):.1f}" height="{HIGH:g}"/>'


def _pick(window: Window | None, scale: Scale) -> str:
    """The checkpoint to keep, above everything else."""
    if window is None or window.pick is None:
        return ""
    return f'<path class="pick" d="M{scale.x(window.pick):.1f} 0v{HIGH:g}"/>'


def _row(course: Course, signal: Signal, scale: Scale) -> str:
    """One signal: its value that counts, its limit, its curve."""
    spec, reading = course.specs[signal.name], course.read(signal.name)
    points = [(step, value) for step, value in zip(signal.at, signal.values) if math.isfinite(value)]
    limit = reading.limit if reading else None
    value = reading.value if reading else points[-1][1]
    level = reading.level if reading else "shown"
    told = shown(value, spec.unit) if math.isfinite(value) else "no number"
    beside = [f"limit {shown(limit.warn, spec.unit)}" if limit else "no limit"]
    if signal.against and signal.baseline is not None:
        beside.append(f"{signal.against}: {shown(signal.baseline, spec.unit)}")
    if reading and reading.since is not None:
        beside.append(f"since {course.run.axis} {reading.since:,}")
    curve = "".join(_curve(points, signal, spec, limit, scale))
    values = "|".join(shown(v, spec.unit) if math.isfinite(v) else "no number" for v in signal.values)
    extra = f' data-at="{",".join(map(str, signal.at))}" data-told="{plain(values)}"'
    name = f'<i class="dot {level}" title="{_WORDS[level]}"></i>{plain(spec.title[:1].upper() + spec.title[1:])}'
    label = f"{spec.title}: {told}"
    line = f'<b class="now" data-now="{plain(told)}">{plain(told)}</b> {plain("; ".join(beside))}'
    return _line(name, line, _svg(course.window, scale, curve, label), "", extra)


_WORDS = {
    "clean": "within its limit",
    "warn": "beyond its warning limit",
    "alarm": "far beyond its limit",
    "shown": "shown, not judged",
}


def _curve(
    points: Sequence[tuple[int, float]], signal: Signal, spec: Spec, limit: Limit | None, scale: Scale
) -> Iterator[str]:
    low, high = _range([value for _, value in points], signal.baseline, limit)

    def y(value: float) -> float:
        return HIGH - EDGE - (HIGH - 2 * EDGE) * (value - low) / (high - low)

    for name in ("warn", "alarm") if limit else ():
        at = max(0.0, min(HIGH, y(getattr(limit, name))))
        top, tall = (at, HIGH - at) if spec.lower else (0.0, at)
        if tall > 0.5:
            yield f'<rect class="ground {name}" x="0" y="{top:.1f}" width="{WIDE:g}" height="{tall:.1f}"/>'
    if signal.baseline is not None and math.isfinite(signal.baseline) and low <= signal.baseline <= high:
        yield f'<path class="base" d="M0 {y(signal.baseline):.1f}H{WIDE:g}"/>'
    path = "L".join(f"{scale.x(step):.1f} {y(value):.1f}" for step, value in points)
    if len(points) > 1:
        yield f'<path class="curve" d="M{path}"/>'
    if len(points) <= 60:
        dots = "".join(f"M{scale.x(step):.1f} {y(value):.1f}h.01" for step, value in points)
        yield f'<path class="points" d="{dots}"/>'


def _range(values: Sequence[float], baseline: float | None, limit: Limit | None) -> tuple[float, float]:
    """Lowest and highest value drawn: all of the signal's, its baseline, and its limits where they are near."""
    known = [*values, *([baseline] if baseline is not None and math.isfinite(baseline) else [])]
    low, high = min(known), max(known)
    span = high - low or max(abs(high), 1e-9)
    for each in (limit.warn, limit.alarm) if limit else ():
        if low - FAR * span <= each <= high + FAR * span:
            low, high = min(low, each), max(high, each)
    room = 0.06 * (high - low) or 0.5 * max(abs(high), 1e-9)
    return low - room, high + room


def _ticks(scale: Scale, word: str) -> str:
    step = tick_step((scale.last - scale.first) / TICKS)
    places = [step * i for i in range(scale.first // step, scale.last // step + 1) if step * i >= scale.first]
    marks = "".join(f'<span style="left:{scale.share(place):.2f}%">{place:,}</span>' for place in places)
    return (
        f'<div class="track ticks"><div class="track-name soft small">{word}</div><div class="plot">{marks}</div></div>'
    )
