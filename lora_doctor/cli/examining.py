"""What `lora-doctor dataset` does, step by step."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import click

from lora_doctor.cli.linting import known_trainer
from lora_doctor.cli.output import put, tell, tell_problems, terminal_width, wants_colour
from lora_doctor.cli.progress import progress
from lora_doctor.dataset.arrays import need
from lora_doctor.dataset.exam import exam
from lora_doctor.dataset.given import Given, given_plan
from lora_doctor.dataset.imageset import ImageSet
from lora_doctor.dialects import recognise
from lora_doctor.dialects.reader import Problem, Reader
from lora_doctor.judge import judge, suppress
from lora_doctor.lint import UNRECOGNISED, captioned
from lora_doctor.plan import Plan
from lora_doctor.report import Report, render
from lora_doctor.result import File, Found, Options
from lora_doctor.selection import EVERYTHING, Selection, resolve
from lora_doctor.source.document import Document, SourceError
from lora_doctor.source.read import read_file
from lora_doctor.write import write_beside

TOPICS = ("dataset", "captions")  # of a plan's rules, those that speak of its data


class Request(NamedTuple):
    """The command line."""

    folder: str | None
    config: str | None
    resolution: int | None
    trainer: str | None
    purpose: str | None
    trigger: str | None
    batch: int | None
    accumulation: int | None
    masks: str | None
    control: str | None
    as_json: bool
    output: str | None
    select: tuple[str, ...]
    ignore: tuple[str, ...]
    workers: int | None
    no_cache: bool
    report: str | None = None
    model: str | None = None


def run(request: Request) -> int:
    """Examine and report; returns the exit code."""
    _refuse_contradictions(request)
    need()
    selection = Selection(resolve(request.select) or EVERYTHING, resolve(request.ignore))
    document, plans, followed, problems = _read(request)
    begun = time.monotonic()
    cache = Path(os.devnull) / "none" if request.no_cache else None  # what can't be kept is kept for the run only
    with progress() as tell_of:
        sets = [
            (plan, each) for plan in plans for each in exam(plan, workers=request.workers, tell=tell_of, cache=cache)
        ]
    if not sets:
        raise SourceError(f"no images in {request.folder or request.config}")
    facts = _facts(plans, sets)
    found, more = judge(facts, document.name, selection)
    kept = suppress(_of_data(found), (document, *followed), Options(selection=selection)).found
    files = (File(document, plans[0].trainer, "dataset" if request.config is None else plans[0].kind, followed),)
    report = Report(
        files,
        kept,
        failed=len(problems) + len(more),
        width=terminal_width(),
        colour=request.output is None and not request.as_json and wants_colour(sys.stdout),
    )
    if request.report is not None:
        _write_page(request, Path(request.report), (plans, facts, kept))
    put(_rendered(request, report, [each for _, each in sets], time.monotonic() - begun), request.output)
    tell_problems([*problems, *more])
    if problems or more:
        return 2
    return 1 if any(each.level != "note" for each in kept) else 0


def _refuse_contradictions(request: Request) -> None:
    if request.folder is None and request.config is None:
        raise click.UsageError("which folder? `lora-doctor dataset DIR`, or `--config FILE` for those it names")
    told = ("resolution", "trainer", "model", "purpose", "trigger", "batch", "accumulation", "masks", "control")
    doubled = [name for name in told if getattr(request, name) is not None]
    if request.config is not None and doubled:
        raise click.UsageError(f"--config says this already: leave out --{doubled[0]}")


def _read(request: Request) -> tuple[Document, tuple[Plan, ...], tuple[Document, ...], list[Problem]]:
    """The plan, from a config or from what the command line says."""
    if request.config is None:
        assert request.folder is not None, "refused before"
        told = {name: getattr(request, name) for name in Given._fields}
        given = Given(**told | {"trainer": known_trainer(request.trainer) or ""})
        plan = given_plan(Path(request.folder), given)
        return plan.config.document, (plan,), (), []
    document = read_file(Path(request.config))
    known = recognise(document)
    if known is None:
        raise SourceError(f"{request.config} {UNRECOGNISED}")
    reader = Reader()
    plans = known[0].read(document, known[1], reader)
    if request.folder is not None:
        plans = tuple(_only(plan, Path(request.folder)) for plan in plans)
    followed = {id(config.document): config.document for plan in plans for config in plan.configs}
    followed.pop(id(document), None)
    return document, plans, tuple(followed.values()), list(reader.problems)


def _only(plan: Plan, folder: Path) -> Plan:
    """The plan with no other data set than the one in a folder."""
    wanted = folder.resolve()
    kept = tuple(data for data in plan.datasets if data.listing is not None and data.listing.folder.resolve() == wanted)
    return plan._replace(datasets=kept)


def _facts(plans: tuple[Plan, ...], sets: list[tuple[Plan, ImageSet]]) -> list[tuple[Plan, Any]]:
    from lora_doctor.captions.read import read_captions

    facts: list[tuple[Plan, Any]] = [(plan, plan) for plan in plans]
    facts += [(plan, captions) for plan in plans for captions in read_captions(plan)]
    return captioned([*facts, *sets])


def _of_data(found: tuple[Found, ...]) -> list[Found]:
    """Findings about the data, worst first; about the rest of a config `lint` has its say."""
    order = ("error", "warning", "note")
    return sorted((each for each in found if each.rule.topic in TOPICS), key=lambda each: order.index(each.level))


def _rendered(request: Request, report: Report, sets: list[ImageSet], seconds: float) -> str:
    from lora_doctor.dataset.describe import as_data, as_lines

    if request.as_json:
        whole = json.loads(render(report, "json"))
        whole["dataset"] = [as_data(each) for each in sets]
        return json.dumps(whole, indent=2) + "\n"
    lines = [line for each in sets for line in as_lines(each)]
    count = sum(len(each.images) for each in sets)
    lines.append(f"{count:,} image{'s' * (count != 1)} in {seconds:.1f} s")
    return render(report, "text") + "".join(f"{line}\n" for line in lines)


Judged = tuple[tuple[Plan, ...], list[tuple[Plan, Any]], tuple[Found, ...]]


def _write_page(request: Request, path: Path, judged: Judged) -> None:
    """The page for people, as one file."""
    from lora_doctor.report.folders import page_of
    from lora_doctor.report.page import render_page

    _, facts, found = judged
    title = request.folder or os.path.basename(request.config or "")
    page = page_of(title, [fact for _, fact in facts if not isinstance(fact, Plan)], found)
    write_beside(path, render_page(page).encode("utf-8", "replace"))
    tell(f"{path}: the report")
