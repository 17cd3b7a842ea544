"""Static plots of a run as PNG, for papers and model cards: signals, weights, samples."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lora_doctor.report.run.facts import RunPage
from lora_doctor.report.run.weights import blocks_by_step
from lora_doctor.symptoms.signals import Signal
from lora_doctor.write import write_beside

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 3  # plots side by side
DPI = 150
MOST_LABELS = 40  # names of blocks beside the heat map
GREEN, AMBER, RED, BLUE = "#23703c", "#c98500", "#b3261e", "#3f6596"


def write_plots(page: RunPage, folder: Path) -> list[Path]:
    """Write those plots there is something for; returns their files.

    Raises:
        SourceError: a file can't be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawn: dict[str, Callable[[RunPage], Figure | None]] = {
        "signals": _signals,
        "weights": _weights,
        "samples": _samples,
    }
    written = []
    for name, draw in drawn.items():
        figure = draw(page)
        if figure is None:
            continue
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=DPI)
        write_beside(folder / f"{name}.png", stream.getvalue())
        written.append(folder / f"{name}.png")
    return written


def _figure(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _signals(page: RunPage) -> Figure | None:
    """One small plot for each signal over the steps, with its limits and the usable window."""
    course = page.course
    known = [s for s in course.signals.values() if len(s.at) > 1 and any(map(math.isfinite, s.values))]
    if not known:
        return None
    order = {"alarm": 0, "warn": 1, "clean": 2}
    readings = {signal.name: course.read(signal.name) for signal in known}
    known.sort(key=lambda s: order.get(r.level, 3) if (r := readings[s.name]) else 3)
    rows = -(-len(known) // COLUMNS)
    figure = _figure(4.2 * COLUMNS, 2.1 * rows)
    for place, signal in enumerate(known):
        _one(page, signal, figure.add_subplot(rows, COLUMNS, place + 1))
    return figure


def _one(page: RunPage, signal: Signal, axes: Any) -> None:
    spec, reading = page.course.specs[signal.name], page.course.read(signal.name)
    tone = {"alarm": RED, "warn": AMBER}.get(reading.level, BLUE) if reading else BLUE
    axes.plot(signal.at, signal.values, "o-", color=tone, markersize=3, linewidth=1.4)
    low, high = axes.get_ylim()
    for name, colour in (("warn", AMBER), ("alarm", RED)) if reading else ():
        limit = getattr(reading.limit, name) if reading else 0.0
        if low - 3 * (high - low) <= limit <= high + 3 * (high - low):
            axes.axhline(limit, color=colour, linewidth=0.9, linestyle="--")
    if signal.baseline is not None and low <= signal.baseline <= high:
        axes.axhline(signal.baseline, color="0.5", linewidth=0.8, linestyle=":")
    window = page.course.window
    if window is not None and window.first is not None and window.last is not None and window.pick is not None:
        axes.axvspan(window.first, window.last, color=GREEN, alpha=0.12, linewidth=0)
        axes.axvline(window.pick, color=GREEN, linewidth=1.2)
    axes.set_title(spec.title, fontsize=8, wrap=True)
    axes.tick_params(labelsize=7)
    axes.set_xlabel(page.run.axis, fontsize=7)
    axes.spines[["top", "right"]].set_visible(False)


def _weights(page: RunPage) -> Figure | None:
    """Norm of the change by block and checkpoint."""
    columns = blocks_by_step(page)
    if not columns:
        return None
    rows = list(dict.fromkeys(block for _, blocks in columns for block in blocks))
    table = [[blocks.get(row, math.nan) for _, blocks in columns] for row in rows]
    figure = _figure(max(5.0, 2.4 + 0.42 * len(columns)), max(2.4, 1.2 + 0.2 * min(len(rows), 90)))
    axes = figure.add_subplot()
    image = axes.imshow(table, aspect="auto", cmap="viridis", interpolation="nearest")
    axes.set_xticks(range(len(columns)), [name for name, _ in columns], rotation=60, fontsize=7)
    every = -(-len(rows) // MOST_LABELS)
    axes.set_yticks(range(0, len(rows), every), rows[::every], fontsize=7)
    axes.set_xlabel(page.run.axis, fontsize=8)
    figure.colorbar(image, label="norm of the block's change")
    return figure


def _samples(page: RunPage) -> Figure | None:
    """The contact sheet; what shows a training image is framed."""
    from PIL import Image

    slots = list(dict.fromkeys(slot for slot, _ in page.sheet))
    if not slots:
        return None
    figure = _figure(1.25 * len(page.steps), 1.4 * len(slots) + 0.3)
    for row, slot in enumerate(slots):
        for column, step in enumerate(page.steps):
            axes = figure.add_subplot(len(slots), len(page.steps), row * len(page.steps) + column + 1)
            axes.set_xticks([])
            axes.set_yticks([])
            name = page.sheet.get((slot, step))
            source = page.pictures.get(name or "")
            copied = name in page.copies
            for spine in axes.spines.values():
                spine.set(visible=copied, color=RED, linewidth=2)
            if source:
                with Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) as image:
                    axes.imshow(image.convert("RGB"))
            if row == 0:
                axes.set_title(f"{page.run.axis} {step:,}", fontsize=7)
            if column == 0:
                axes.set_ylabel(slot.prompt[:28], fontsize=6)
    return figure
