"""The config of a run: the one beside it, or the one given; and the training images it names, or a given folder."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from lora_doctor.dataset.given import Given, given_plan
from lora_doctor.dialects import recognise
from lora_doctor.dialects.reader import Reader
from lora_doctor.plan import Plan
from lora_doctor.runs.facts import Files
from lora_doctor.source.document import SourceError
from lora_doctor.source.read import read_file
from lora_doctor.typed import typed

MOST_BYTES = 1024 * 1024  # no trainer's config comes near
MOST = 24  # files looked into


def plan_of(path: Path) -> Plan:
    """The training run that a config describes; of several the first.

    Raises:
        SourceError: the file can't be read, or describes no training run.
    """
    try:
        document = read_file(path)
    except SourceError as error:
        raise SourceError(f"{path} {error.sentence}", error.line, error.column) from None
    known = recognise(document)
    plans = known[0].read(document, known[1], Reader()) if known else ()
    found = next((plan for plan in plans if plan.training), None)
    if found is None:
        raise SourceError(f"{path} is no training config of a trainer lora-doctor knows")
    return typed(found)


def plan_beside(files: Files, names: Iterable[str], trainers: Collection[str]) -> Plan | None:
    """The first file that is one of these trainers' training config; whatever else lies there is passed over."""
    for name in list(names)[:MOST]:
        path = files.path(name)
        try:
            plan = plan_of(path) if path.stat().st_size <= MOST_BYTES else None
        except (SourceError, OSError):
            continue
        if plan is not None and (plan.trainer in trainers or not any(trainers)):
            return plan
    return None


def with_dataset(plan: Plan | None, folder: Path, trainer: str) -> Plan:
    """The plan with the images of a folder; a plan of nothing else where there is none.

    Raises:
        SourceError: it is no folder that can be listed.
    """
    given = given_plan(folder, Given(trainer=plan.trainer if plan else trainer))
    return given if plan is None else plan._replace(datasets=given.datasets)
