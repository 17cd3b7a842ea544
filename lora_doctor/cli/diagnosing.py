"""What `lora-doctor diagnose` does, step by step."""

from __future__ import annotations

import json
import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from lora_doctor.cli.encoding import encoders_of
from lora_doctor.cli.output import put, tell, tell_problems, terminal_width, wants_colour
from lora_doctor.dataset.arrays import need
from lora_doctor.selection import EVERYTHING, Selection, resolve
from lora_doctor.source.document import SourceError
from lora_doctor.write import write_beside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lora_doctor.cli.watching import Look
    from lora_doctor.dialects.reader import Problem
    from lora_doctor.runs.facts import Run
    from lora_doctor.symptoms.course import Course
    from lora_doctor.symptoms.judge import Diagnosed
    from lora_doctor.symptoms.measure import Tell
    from lora_doctor.symptoms.monitored import Rows
    from lora_doctor.symptoms.signals import Spec

EVERY = 0.2  # seconds between two lines of progress


class Request(NamedTuple):
    """The command line."""

    run_dir: str
    config: str | None
    dataset: str | None
    purpose: str | None
    as_json: bool
    output: str | None
    select: tuple[str, ...]
    ignore: tuple[str, ...]
    no_cache: bool
    report: str | None = None
    plots: str | None = None
    watch: bool = False
    every: float = 15.0
    on_stop: str | None = None
    idle: float | None = None
    base: str | None = None  # a folder, "" the config's own; None: the base model is not asked
    held_out: str | None = None
    budget: float | None = None  # minutes
    dino: str | None = None
    clip: str | None = None
    sscd: str | None = None
    detector: tuple[str, ...] = ()


class _Result(NamedTuple):
    course: Course
    diagnosed: tuple[Diagnosed, ...]
    problems: tuple[Problem, ...]
    seconds: float

    @property
    def code(self) -> int:
        """The exit code."""
        ill = any(each.verdict.present and each.rule.level != "note" for each in self.diagnosed)
        return 2 if self.problems else int(ill)


def run(request: Request) -> int:
    """Read, measure, judge, tell; returns the exit code."""
    need()
    from lora_doctor.adapter.extra import need as need_packages

    need_packages("numpy", "ml_dtypes")
    if not request.watch:
        if request.on_stop is not None or request.idle is not None:
            raise click.UsageError("--on-stop and --idle go with --watch")
        result = _diagnose(request)
        _show(request, result)
        return result.code
    from lora_doctor.cli.watching import Watch, watch

    idle = request.idle * 60 if request.idle is not None else None
    return watch(
        Watch(
            Path(request.run_dir),
            request.every,
            request.on_stop,
            idle,
            partial(_look, request),
            partial(_told, request),
        )
    )


def _diagnose(request: Request, but: frozenset[str] = frozenset()) -> _Result:
    """Read, measure and judge."""
    from lora_doctor.runs.read import read_run
    from lora_doctor.symptoms.judge import judge
    from lora_doctor.symptoms.measure import examine

    selection = Selection(resolve(request.select) or EVERYTHING, resolve(request.ignore))
    config, dataset = (Path(each) if each else None for each in (request.config, request.dataset))
    encoders = encoders_of(request.dino, request.clip, request.sscd, request.detector)
    found = read_run(Path(request.run_dir), config=config, dataset=dataset, but=but)
    progress = _Progress() if sys.stderr.isatty() else None
    cache = Path(os.devnull) / "none" if request.no_cache else None  # what can't be kept is kept for the run only
    begun = time.monotonic()
    bar = progress.tell if progress is not None else None
    try:
        found, rows = _asked(found, request, bar)
        table = _own_limits(request)
        course = examine(
            found, purpose=request.purpose, cache=cache, tell=bar, rows=rows, table=table, encoders=encoders
        )
    finally:
        if progress is not None:
            progress.clear()
    return _Result(course, *judge(course, selection), time.monotonic() - begun)


def _own_limits(request: Request) -> dict[str, Spec] | None:
    """The table of signals with the limits that the project has calibrated; None where it has none."""
    from lora_doctor.settings import nearest_settings
    from lora_doctor.symptoms.calibrate import read_limits

    settings = (nearest_settings(os.path.abspath(folder)) for folder in (request.run_dir, "."))
    path = next((each.limits for each in settings if each.limits is not None), None)
    return None if path is None else read_limits(path)


def _show(request: Request, result: _Result) -> None:
    """The page and the plots, then the summary or the JSON."""
    from lora_doctor.symptoms.describe import as_data, as_text

    write_pages(request, result.course, result.diagnosed)
    if request.as_json:
        put(json.dumps(as_data(result.course, result.diagnosed), indent=2, allow_nan=False) + "\n", request.output)
    else:
        colour = request.output is None and wants_colour(sys.stdout)
        text = as_text(result.course, result.diagnosed, result.seconds, width=terminal_width(), colour=colour)
        put(text, request.output)
    tell_problems(result.problems)


def _look(request: Request, but: frozenset[str]) -> Look | None:
    """One look of the watch; None where there is nothing to diagnose yet."""
    from lora_doctor.cli.watching import Look
    from lora_doctor.runs.read import NothingYetError

    try:
        result = _diagnose(request, but)
    except NothingYetError:
        return None
    return Look(result.course, result.diagnosed, result.code, partial(_show, request, result))


def _told(request: Request, look: Look, news: list[str], last: bool) -> None:
    """A line for each look, and the page; at the end all that `diagnose` says."""
    run = look.course.run
    reached = f"{run.axis} {look.course.reached:,}: " if look.course.reached is not None else ""
    count = f"{len(run.checkpoints):,} checkpoints, {len(run.samples):,} samples"
    symptoms = sum(each.verdict.present and each.rule.level != "note" for each in look.diagnosed)
    tell(f"{time.strftime('%H:%M:%S')} {reached}{count}, {symptoms or 'no'} symptom{'s' * (symptoms != 1)}")
    for sentence in news:
        tell(f"  {sentence}")
    if last:
        look.finish()
    else:
        write_pages(request, look.course, look.diagnosed, quiet=True)


def write_pages(request: Request, course: Course, diagnosed: Sequence[Diagnosed], *, quiet: bool = False) -> None:
    """The page for people and the static plots, where they are asked for."""
    if request.report is None and request.plots is None:
        return
    from lora_doctor.report.run.facts import run_page

    page = run_page(course, diagnosed)
    if request.report is not None:
        from lora_doctor.report.run.page import render_run

        write_beside(Path(request.report), render_run(page).encode("utf-8", "replace"))
        if not quiet:
            tell(f"{request.report}: the report")
    if request.plots is not None:
        from lora_doctor.report.run.plots import write_plots

        for path in write_plots(page, Path(request.plots)):
            if not quiet:
                tell(f"{path}: written")


def _asked(run: Run, request: Request, bar: Tell | None) -> tuple[Run, Rows | None]:
    """What the base model says, where it is to be asked."""
    if request.base is None:
        if request.held_out or request.budget is not None:
            raise SourceError("--held-out and --budget are for asking the base model: add --base [FOLDER]")
        return run, None
    from lora_doctor.cli.asking import ask

    keep = not request.no_cache
    return ask(run, request.base, held_out=request.held_out, minutes=request.budget, keep=keep, tell=bar)


class _Progress:
    """One line on a terminal: what is looked at, how much of it is done."""

    def __init__(self) -> None:
        self._last = 0.0

    def tell(self, what: str, done: int, whole: int) -> None:
        now = time.monotonic()
        if now - self._last < EVERY and done < whole:
            return
        self._last = now
        filled = round(24 * done / max(whole, 1))
        sys.stderr.write(f"\r\x1b[K{'#' * filled}{'.' * (24 - filled)} {what}s {done / max(whole, 1):.0%}")
        sys.stderr.flush()

    def clear(self) -> None:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
