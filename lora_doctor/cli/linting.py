"""What `lora-doctor lint` does, step by step."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click

from lora_doctor.baseline import Baseline, load_baseline, save_baseline, split, stale
from lora_doctor.cli.output import put, tell, tell_problems, terminal_width, wants_colour
from lora_doctor.cli.progress import Told, progress
from lora_doctor.cli.targets import STDIN, Job, Wanted, jobs_of
from lora_doctor.dialects import trainer_names
from lora_doctor.dialects.reader import Problem
from lora_doctor.lint import UNRECOGNISED, lint_files
from lora_doctor.report import Report, render
from lora_doctor.report.mask import without_secrets
from lora_doctor.result import Options, Result
from lora_doctor.selection import did_you_mean
from lora_doctor.settings import Settings, load_settings, nearest_settings


class Request(NamedTuple):
    """The command line."""

    paths: tuple[str, ...]
    form: str
    output: str | None
    select: tuple[str, ...]
    ignore: tuple[str, ...]
    fix: bool
    unsafe_fixes: bool
    diff: bool
    trainer: str | None
    no_dataset: bool
    environment: bool
    against: str | None
    baseline: str | None
    write_baseline: bool
    statistics: bool
    skip_unrecognised: bool
    stdin_filename: str | None
    config: str | None
    isolated: bool


class Known(NamedTuple):
    """The baseline in force: its file, and what stands in it."""

    path: Path
    entries: Baseline

    @property
    def folder(self) -> str:
        """The folder that its paths start from."""
        return os.path.dirname(os.path.abspath(self.path))


def run(request: Request) -> int:
    """Lint, and fix, show or write as asked; returns the exit code."""
    _refuse_contradictions(request)
    wanted = _wanted(request)
    jobs, problems = jobs_of(request.paths or (".",), wanted)
    known = _known(request, wanted)
    if request.fix or request.diff:
        return _fix(request, jobs, problems, known)
    with progress() as tell_of:
        result = lint_files(_telling(jobs, tell_of))
    problems += _problems(jobs, result)
    if request.write_baseline:
        return _write_baseline(known, result, problems)
    return _show(request, result, problems, known)


def _telling(jobs: Sequence[Job], tell_of: Told | None) -> list[Job]:
    return [(path, options._replace(tell=tell_of)) for path, options in jobs]


def _refuse_contradictions(request: Request) -> None:
    if request.statistics and request.form != "text":
        raise click.UsageError(f"--statistics counts for people; --format {request.form} has all findings anyway")
    if request.write_baseline and (request.fix or request.diff):
        raise click.UsageError("--write-baseline goes with neither --fix nor --diff: fix first, then write")
    if request.config and request.isolated:
        raise click.UsageError("--config and --isolated contradict each other")
    if request.paths.count(STDIN) > 1:
        raise click.UsageError("`-` can be read only once")


def _wanted(request: Request) -> Wanted:
    settings = Settings(os.getcwd()) if request.isolated else None
    if request.config:
        settings = load_settings(request.config)
        if settings is None:
            raise click.UsageError(f"{request.config} has no [tool.lora-doctor] table")
    options = Options(known_trainer(request.trainer), not request.no_dataset, request.environment, request.against)
    name = request.stdin_filename or "<stdin>"
    return Wanted(options, settings, request.select, request.ignore, request.skip_unrecognised, name)


def known_trainer(name: str | None) -> str | None:
    """A trainer's name as it is written here, whatever its case."""
    if name is None:
        return None
    names = trainer_names()
    found = next((known for known in names if known.lower() == name.lower()), None)
    if found is None:
        hint = did_you_mean(name, names)
        raise click.UsageError(f"`{name}` is no trainer lora-doctor knows ({', '.join(names)}){hint}")
    return found


def _known(request: Request, wanted: Wanted) -> Known | None:
    """The baseline that the command line or the settings name."""
    if request.baseline:
        path = Path(request.baseline)
    else:
        first = next((path for path in request.paths if path != STDIN), ".")
        folder = first if os.path.isdir(first) else os.path.dirname(first)
        settings = wanted.settings or nearest_settings(os.path.abspath(folder))
        if settings.baseline is None and not request.write_baseline:
            return None
        if settings.baseline is None:
            raise click.UsageError("--write-baseline needs a place: add --baseline FILE, or `baseline` to the settings")
        path = settings.baseline
    if request.write_baseline and not path.exists():
        return Known(path, Baseline())
    return Known(path, load_baseline(path))


def _problems(jobs: Sequence[Job], result: Result) -> list[Problem]:
    """What went wrong, and the files that somebody named and no trainer reads."""
    skipped = set(result.skipped)
    strange = [path for path, options in jobs if str(path) in skipped and not options.lenient]
    names = f" ({', '.join(trainer_names())}); --trainer NAME reads it as one's" if strange else ""
    return [*result.problems, *(Problem(str(path), UNRECOGNISED + names) for path in strange)]


def _without_known(known: Known | None, result: Result) -> Result:
    if known is None:
        return result
    return result._replace(found=tuple(split(result.found, known.entries, known.folder)[0]))


def _show(request: Request, result: Result, problems: list[Problem], known: Known | None, fixed: int = 0) -> int:
    """The report of what is not in the baseline, and the problems."""
    new = _without_known(known, result)
    to_file = request.output is not None
    report = Report(
        result.files,
        new.found,
        suppressed=len(result.suppressed),
        known=len(result.found) - len(new.found),
        fixed=fixed,
        failed=len(problems),
        width=terminal_width(),
        colour=not to_file and wants_colour(sys.stdout),
    )
    text = render(report, "statistics" if request.statistics else request.form)
    put(text, request.output, err=request.fix and STDIN in request.paths)
    if known is not None:
        _tell_stale(known, result)
    tell_problems(problems)
    if problems:
        return 2
    return 1 if any(each.level != "note" for each in new.found) else 0


def _tell_stale(known: Known, result: Result) -> None:
    _, left = split(result.found, known.entries, known.folder)
    count = stale(left, _names(result), known.folder)
    if count:
        what = "finding in it is" if count == 1 else "findings in it are"
        tell(f"{known.path}: {count} {what} no longer made; --write-baseline brings it up to date")


def _names(result: Result) -> list[str]:
    return [document.name for file in result.files for document in (file.document, *file.followed)]


def _write_baseline(known: Known | None, result: Result, problems: list[Problem]) -> int:
    assert known is not None, "a baseline to write has a path"
    count = save_baseline(known.path, result.found, _names(result), known.entries)
    tell(f"{known.path}: {count} finding{'s' * (count != 1)} written")
    tell_problems(problems)
    return 2 if problems else 0


def _fix(request: Request, jobs: Sequence[Job], problems: list[Problem], known: Known | None) -> int:
    """Fix in memory, then show the difference, or write and show what is left."""
    from lora_doctor.fixing import diff, fix_files, write_changes

    with progress() as tell_of:
        done = fix_files(_telling(jobs, tell_of), unsafe=request.unsafe_fixes, keep=partial(_without_known, known))
    if done.left_out:
        what = "fix was" if done.left_out == 1 else "fixes were"
        tell(f"{done.left_out} {what} left out: more than the named key would change, or the finding would stay")
    problems += _problems(jobs, done.result)
    if request.diff:
        put(without_secrets(diff(done.changes), done.result.found), request.output)
        tell_problems(problems)
        return 2 if problems else int(bool(done.changes))
    streamed = os.path.realpath(request.stdin_filename or "<stdin>") if STDIN in request.paths else None
    problems += write_changes([change for change in done.changes if change.path != streamed])
    for path, options in jobs:
        if streamed and os.path.realpath(path) == streamed:
            text = next((change.after for change in done.changes if change.path == streamed), options.texts[streamed])
            sys.stdout.buffer.write(text)
            sys.stdout.buffer.flush()
    return _show(request, done.result, problems, known, fixed=done.applied)
