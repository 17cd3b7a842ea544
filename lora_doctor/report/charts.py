"""Charts as inline SVG: no script, no font, colours from the page's style."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple


class Bar(NamedTuple):
    """One row: its name, a share of the whole (0 to 1), what is written behind it, and a hint for the pointer."""

    name: str
    share: float
    told: str
    hint: str = ""
    tone: str = "plain"  # plain, good, warning, error


def bars(rows: Sequence[Bar], label: str) -> str:
    """Horizontal bars, as a list that reads well without style too."""
    items = []
    for row in rows:
        width = max(0.0, min(1.0, row.share)) * 100
        hint = f' title="{escape(row.hint)}"' if row.hint else ""
        items.append(
            f'<li{hint}><span class="bar-name">{escape(row.name)}</span>'
            f'<span class="bar-track"><span class="bar-fill {row.tone}" style="width:{width:.1f}%"></span></span>'
            f'<span class="bar-told">{escape(row.told)}</span></li>'
        )
    return f'<ul class="bars" aria-label="{escape(label)}">{"".join(items)}</ul>'


def histogram(values: Sequence[int], limit: int | None, label: str) -> str:
    """Counts of values in about sixteen columns, the limit as a line; columns beyond it in red."""
    if not values:
        return ""
    top = max(*values, limit if limit is not None and limit < 1.6 * max(values) else 0, 8)
    step = tick_step(top / 16)
    columns = top // step + 1
    counts = [0] * columns
    for value in values:
        counts[min(value // step, columns - 1)] += 1
    width, height, base, left = 640, 190, 160, 34
    room = (width - left - 8) / columns
    most = max(counts)
    parts = [
        f'<svg class="histogram" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">',
        f'<line class="axis" x1="{left}" y1="{base}" x2="{width - 8}" y2="{base}"/>',
        f'<text class="tick" x="{left - 6}" y="{base - 118}" text-anchor="end">{most}</text>',
        f'<text class="tick" x="{left - 6}" y="{base}" text-anchor="end">0</text>',
    ]
    for i, count in enumerate(counts):
        tall = 124 * count / most
        x = left + i * room
        over = " over" if limit is not None and i * step >= limit else ""
        if count:
            told = f"{count} caption{'s' * (count != 1)} of {i * step} to {i * step + step - 1} tokens"
            parts.append(
                f'<rect class="column{over}" x="{x + 1:.1f}" y="{base - tall:.1f}" width="{max(1.0, room - 2):.1f}" '
                f'height="{tall:.1f}" rx="2"><title>{told}</title></rect>'
            )
        if i % max(1, columns // 8) == 0:
            parts.append(f'<text class="tick" x="{x:.1f}" y="{base + 16}">{i * step}</text>')
    if limit is not None and limit <= top:
        x = left + limit / step * room
        parts.append(f'<line class="limit" x1="{x:.1f}" y1="14" x2="{x:.1f}" y2="{base}"/>')
        anchor, beside = ("end", x - 6) if x > width / 2 else ("start", x + 6)
        parts.append(f'<text class="limit-name" x="{beside:.1f}" y="24" text-anchor="{anchor}">'
                     f"read up to {limit}</text>")  # fmt: skip
    parts.append(f'<text class="tick" x="{width - 8}" y="{height - 2}" text-anchor="end">tokens</text></svg>')
    return "".join(parts)


def tick_step(least: float) -> int:
    """1, 2, 5, 10, 20, 50...: the first that is not below."""
    size = 1
    while True:
        for factor in (1, 2, 5):
            if size * factor >= least:
                return size * factor
        size *= 10


def ring(share: float, middle: str, below: str, tone: str) -> str:
    """A share as a ring, with a figure in its middle."""
    length = 2 * 3.14159 * 42
    filled = max(0.0, min(1.0, share)) * length
    return (
        f'<svg class="ring" viewBox="0 0 100 100" role="img" aria-label="{escape(f"{middle} {below}")}">'
        f'<circle class="ring-track" cx="50" cy="50" r="42"/>'
        f'<circle class="ring-fill {tone}" cx="50" cy="50" r="42" stroke-dasharray="{filled:.2f} {length:.2f}"/>'
        f'<text class="ring-middle" x="50" y="53" text-anchor="middle">{escape(middle)}</text>'
        f'<text class="ring-below" x="50" y="67" text-anchor="middle">{escape(below)}</text></svg>'
    )
